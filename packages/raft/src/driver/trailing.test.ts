/** The log behind a snapshot has bounds in entries and in bytes. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Trailing } from './trailing.ts';

const MIB = 1024 * 1024;

test('small entries are kept by their count', () => {
  const trailing = new Trailing(100, 64 * MIB);
  for (let index = 1; index <= 1_000; index++) trailing.grew(index, 100);
  expect(trailing.compactTo(1_000)).toBe(900);
});

test('large entries are kept by their bytes', () => {
  const trailing = new Trailing(10_000, 64 * MIB);
  for (let index = 1; index <= 30; index++) trailing.grew(index, 10 * MIB);
  expect(trailing.compactTo(30)).toBe(24);
});

test('what fills the bytes to the last one is all that is kept', () => {
  const trailing = new Trailing(Infinity, 3 * MIB);
  trailing.grew(1, 1);
  trailing.grew(2, 3 * MIB);
  expect(trailing.compactTo(2)).toBe(1);
});

test('nothing that fits is dropped, and what is kept exceeds the bytes by no more than a stretch', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(3 * MIB), { minLength: 1, maxLength: 200 }),
      fc.integer({ min: 1, max: 20 }),
      (sizes, mib) => {
        const trailing = new Trailing(Infinity, mib * MIB);
        sizes.forEach((bytes, at) => trailing.grew(at + 1, bytes));
        const droppable = trailing.compactTo(sizes.length);
        const kept = sizes.slice(droppable).reduce((sum, bytes) => sum + bytes, 0);
        expect(kept).toBeLessThanOrEqual(mib * MIB);
        const oneMore = sizes.slice(Math.max(0, droppable - 1)).reduce((sum, bytes) => sum + bytes, 0);
        expect(droppable === 0 || oneMore > (mib - 1) * MIB).toBe(true);
      },
    ),
  );
});
