/** The fixed-point logarithm against the platform's, and at its ends. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LOG_ONE, negativeLog2 } from './fixed-log.ts';

test('agrees with Math.log2 to the seventh digit', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (hash) => {
      expect(Math.abs(negativeLog2(hash) / LOG_ONE - (32 - Math.log2(hash + 1)))).toBeLessThan(1e-7);
    }),
    { numRuns: 2_000 },
  );
});

test('is an integer, exact at powers of two, and falls as the hash rises', () => {
  expect(negativeLog2(0)).toBe(32 * LOG_ONE);
  expect(negativeLog2(0xffff_ffff)).toBe(0);
  expect(negativeLog2(0x7fff_ffff)).toBe(LOG_ONE);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff_fffe }), (hash) => {
      expect(Number.isInteger(negativeLog2(hash))).toBe(true);
      expect(negativeLog2(hash + 1)).toBeLessThanOrEqual(negativeLog2(hash));
    }),
    { numRuns: 2_000 },
  );
});
