/**
 * The hash behind every deterministic choice: MurmurHash3 (32 bit) over the UTF-16 code units of a string, with a seed.
 *
 * Integers only, so the same answer on every node and platform. Not a defence against chosen keys: who can choose the key
 * can choose the backend, as with any consistent hash.
 */

const C1 = 0xcc9e2d51;
const C2 = 0x1b873593;

export function hash32(text: string, seed: number): number {
  let h = seed | 0;
  const pairs = text.length & ~1;
  for (let at = 0; at < pairs; at += 2) {
    h ^= scramble(text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16));
    h = (h << 13) | (h >>> 19);
    h = (Math.imul(h, 5) + 0xe6546b64) | 0;
  }
  if (pairs < text.length) h ^= scramble(text.charCodeAt(pairs));
  return mix32(h ^ (text.length * 2));
}

/** Two 32-bit numbers into one, each bit of both mattering for each bit of the result. */
export function combine32(a: number, b: number): number {
  let h = a | 0;
  h ^= scramble(b);
  h = (h << 13) | (h >>> 19);
  return mix32((Math.imul(h, 5) + 0xe6546b64) | 0);
}

function scramble(k: number): number {
  const once = Math.imul(k, C1);
  return Math.imul((once << 15) | (once >>> 17), C2);
}

function mix32(value: number): number {
  let h = value;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
