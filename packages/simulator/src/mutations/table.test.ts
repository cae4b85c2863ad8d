/** The table of faults fits the product as it is. That each is found is a run of its own: see main.ts. */
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { mutate, sourceOf } from './load-mutated.ts';
import { MUTATIONS } from './table.ts';

it.each(MUTATIONS)('$name: each of its changes fits exactly one place', async (mutation) => {
  for (const change of mutation.changes) {
    const source = await readFile(sourceOf(change), 'utf8');
    expect(mutate(source, [change])).not.toBe(source);
  }
});

it('there are enough of them, each with a name of its own', () => {
  expect(MUTATIONS.length).toBeGreaterThanOrEqual(24);
  expect(new Set(MUTATIONS.map(({ name }) => name)).size).toBe(MUTATIONS.length);
});
