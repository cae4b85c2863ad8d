/**
 * A 64-bit hash of text in two 32-bit lanes, after cyrb53's multiply-xor rounds. Guards against divergence by bugs and bit rot,
 * not against an adversary: whoever can write the log can write anything.
 */

/** One running hash; reused, so that the hot path allocates nothing. */
export interface Lanes {
  lo: number;
  hi: number;
  /** Bytes of the text as UTF-8, counted on the way. */
  utf8Bytes: number;
}

export function newLanes(): Lanes {
  return { lo: 0, hi: 0, utf8Bytes: 0 };
}

/** Hashes `text` into `out`. `seed` tells tables apart. */
export function hashText(text: string, seed: number, out: Lanes): void {
  let a = 0xdeadbeef ^ seed;
  let b = 0x41c6ce57 ^ Math.imul(seed, 0x9e3779b1);
  let bytes = text.length;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    a = Math.imul(a ^ unit, 2_654_435_761);
    b = Math.imul(b ^ unit, 1_597_334_677);
    if (unit > 0x7f) bytes += extraUtf8Bytes(unit);
  }
  a = Math.imul(a ^ (a >>> 16), 2_246_822_507) ^ Math.imul(b ^ (b >>> 13), 3_266_489_909);
  b = Math.imul(b ^ (b >>> 16), 2_246_822_507) ^ Math.imul(a ^ (a >>> 13), 3_266_489_909);
  out.lo = a >>> 0;
  out.hi = b >>> 0;
  out.utf8Bytes = bytes;
}

/** Beyond the one byte already counted. JSON text has surrogates in pairs only (lone ones are escaped): two units make four bytes. */
function extraUtf8Bytes(unit: number): number {
  if (unit < 0x800) return 1;
  return unit >= 0xd800 && unit <= 0xdfff ? 1 : 2;
}

export function hex(lo: number, hi: number): string {
  return (hi >>> 0).toString(16).padStart(8, '0') + (lo >>> 0).toString(16).padStart(8, '0');
}

/** The same in one call, where speed does not matter. */
export function hashHex(text: string): string {
  const out = newLanes();
  hashText(text, 0, out);
  return hex(out.lo, out.hi);
}
