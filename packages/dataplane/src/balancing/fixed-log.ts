/**
 * Minus log2 of a 32-bit hash seen as a number in (0, 1], in fixed point: what weighted rendezvous needs a logarithm for.
 *
 * Math.log may differ in its last bit between platforms; this uses only operations that IEEE 754 defines exactly.
 */

export const LOG_ONE = 2 ** 26;
const FRACTION_BITS = 26;
const TABLE_BITS = 12;
const REST_BITS = 31 - TABLE_BITS;
const REST_SIZE = 2 ** REST_BITS;

/** log2(1 + i / 4096) in units of 1 / LOG_ONE, digit by digit: square, and halve where that passes two. */
const TABLE = Float64Array.from({ length: 2 ** TABLE_BITS + 1 }, (_, index) => {
  if (index === 2 ** TABLE_BITS) return LOG_ONE;
  let x = 1 + index / 2 ** TABLE_BITS;
  let digits = 0;
  for (let bit = 0; bit < FRACTION_BITS; bit++) {
    x *= x;
    digits *= 2;
    if (x >= 2) {
      x /= 2;
      digits++;
    }
  }
  return digits;
});

/** -log2((hash + 1) / 2^32) × LOG_ONE, an integer from 0 to 32 × LOG_ONE. */
export function negativeLog2(hash: number): number {
  const value = hash + 1;
  if (value === 0x1_0000_0000) return 0;
  const zeros = Math.clz32(value);
  // The leading one is dropped, the 31 bits after it are the mantissa.
  const mantissa = (value << zeros) & 0x7fff_ffff;
  const at = mantissa >>> REST_BITS;
  const low = TABLE[at] as number;
  const step = (TABLE[at + 1] as number) - low;
  const fraction = low + Math.floor((step * (mantissa & (REST_SIZE - 1))) / REST_SIZE);
  return (zeros + 1) * LOG_ONE - fraction;
}
