/** The cap holds whatever the hash says, and always leaves somebody. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { boundedSkip } from './bounded-load.ts';
import { hash32 } from './hash.ts';
import { rendezvous } from './rendezvous.ts';

test('a hot key spills over once its backend carries ratio times its share', () => {
  const ids = ['a', 'b', 'c', 'd'];
  const weights = [1, 1, 1, 1];
  const loads = [0, 0, 0, 0];
  const chooser = rendezvous(ids, weights);
  for (let turn = 0; turn < 400; turn++) {
    const index = chooser.choose(
      hash32('hot', 1),
      boundedSkip({ ratio: 1.25, weights, loadOf: (at) => loads[at]! }, null),
    );
    loads[index]!++;
  }
  expect(Math.max(...loads)).toBeLessThanOrEqual(Math.ceil(1.25 * 100) + 1);
});

test('somebody is always below the cap', () => {
  const candidate = fc.record({ weight: fc.integer({ min: 1, max: 1000 }), load: fc.nat(500), skip: fc.boolean() });
  fc.assert(
    fc.property(
      fc.array(candidate, { minLength: 1, maxLength: 20 }),
      fc.double({ min: 1, max: 3, noNaN: true }),
      (pool, ratio) => {
        fc.pre(pool.some(({ skip }) => !skip));
        const bound = { ratio, weights: pool.map(({ weight }) => weight), loadOf: (at: number) => pool[at]!.load };
        const skip = boundedSkip(bound, (at) => pool[at]!.skip);
        expect(pool.some((_, at) => !skip(at))).toBe(true);
      },
    ),
  );
});
