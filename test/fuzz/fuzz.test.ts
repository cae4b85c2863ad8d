/** A few seconds of the fuzzer: proxy and reference agree, and every mutation was tried. `./scripts/with-node node test/fuzz/main.ts` runs longer. */
import { expect, it } from 'vitest';
import { fuzz } from './fuzz.ts';

const MILLISECONDS = 8_000;
const SEED = 1;

it('forwards only what a strict reference parser reads the same way', async () => {
  const { cases, coverage, disagreements } = await fuzz({ seed: SEED, milliseconds: MILLISECONDS });
  expect(disagreements).toEqual([]);
  const untried = [...coverage].filter(([, { tried }]) => tried === 0).map(([name]) => name);
  expect(untried, `${cases} cases`).toEqual([]);
});
