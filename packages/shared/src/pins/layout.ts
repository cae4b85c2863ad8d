/**
 * The pin table's place in memory: a header and a fixed number of cells of nine 32-bit words, in one SharedArrayBuffer.
 *
 * 36 bytes a cell; at the fullest allowed (70 %) that is 52 bytes a pin. One thread writes, any number read without a lock.
 */

/** Words of a cell. `seq` is 0 where the cell was never used, odd while it is written, else the even number of its last write. */
export const CELL = { seq: 0, pool: 1, key: 2, backend: 6, expiresS: 7, revision: 8, words: 9 } as const;

/** Words of the header. `moves` is odd while cells change places: a reader that missed must look again. */
export const HEADER = { cells: 0, count: 1, moves: 2, words: 16 } as const;

/** Share of the cells that may be taken. Beyond it probes get long; the writer refuses. */
export const FILL_MAX_RATIO = 0.7;

/** Cells that hold `pins` pins at the allowed fill. */
export function cellsFor(pins: number): number {
  return Math.ceil(pins / FILL_MAX_RATIO);
}

export function bytesFor(cells: number): number {
  return (HEADER.words + cells * CELL.words) * Int32Array.BYTES_PER_ELEMENT;
}

/** Longest key that is kept as given; longer ones are kept as their hash. */
export const LITERAL_KEY_MAX_BYTES = 15;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A key in its four words. The last byte tells: length of a literal key, or 0xff for a hash. Reused: see {@link encodeKey}. */
export interface PinKey {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  /** Where probing starts, 0 ≤ hash < 2^32. */
  hash: number;
  /** Hash of the pool's name: keys of different pools differ. */
  pool: number;
}

export function newPinKey(): PinKey {
  const words = new Int32Array(4);
  return { words, bytes: new Uint8Array(words.buffer), hash: 0, pool: 0 };
}

/** Writes (pool, key) into `out`. No allocation for keys of ASCII letters. */
export function encodeKey(pool: string, key: string, out: PinKey): void {
  out.pool = hashPool(pool);
  const { bytes, words } = out;
  words.fill(0);
  if (!writeLiteral(key, bytes)) {
    words[0] = hash32(key, 0x1b873593) | 0;
    words[1] = hash32(key, 0x85ebca6b) | 0;
    words[2] = hash32(key, 0xc2b2ae35) | 0;
    words[3] = hash32(key, 0x27d4eb2f) | 0;
    bytes[15] = 0xff;
  }
  out.hash = hashWords(out);
}

/** A pool's name in one word of a cell. */
export function hashPool(pool: string): number {
  return hash32(pool, 0x9747b28c) | 0;
}

function writeLiteral(key: string, bytes: Uint8Array): boolean {
  if (key.length > LITERAL_KEY_MAX_BYTES) return false;
  for (let at = 0; at < key.length; at += 1) {
    const code = key.charCodeAt(at);
    if (code > 0x7f) return writeEncoded(key, bytes);
    bytes[at] = code;
  }
  bytes[15] = key.length;
  return true;
}

function writeEncoded(key: string, bytes: Uint8Array): boolean {
  const encoded = encoder.encode(key);
  if (encoded.length > LITERAL_KEY_MAX_BYTES) return false;
  bytes.fill(0);
  bytes.set(encoded);
  bytes[15] = encoded.length;
  return true;
}

/** What a person is shown: the key itself, or `#` and its hash. */
export function keyText(words: Int32Array): string {
  const bytes = new Uint8Array(words.slice(0, 4).buffer);
  const length = bytes[15] ?? 0;
  if (length <= LITERAL_KEY_MAX_BYTES) return decoder.decode(bytes.subarray(0, length));
  return `#${Array.from(bytes.subarray(0, 15), (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

/** The inverse of {@link keyText} together with {@link encodeKey}: also takes the shown form of a hash. */
export function encodeShownKey(pool: string, shown: string, out: PinKey): void {
  encodeKey(pool, shown, out);
  if (!/^#[0-9a-f]{30}$/.test(shown)) return;
  for (let at = 0; at < 15; at += 1) out.bytes[at] = Number.parseInt(shown.slice(1 + at * 2, 3 + at * 2), 16);
  out.bytes[15] = 0xff;
  out.hash = hashWords(out);
}

/** MurmurHash3's x86_32 mixing over UTF-16 units (Appleby, 2011). Stable: it is part of replicated state. */
function hash32(text: string, seed: number): number {
  let hash = seed;
  for (let at = 0; at < text.length; at += 1) hash = mix(hash, text.charCodeAt(at));
  return finish(hash ^ text.length);
}

/** Where probing starts for a cell's own words: the same for reader, writer and rehash. */
export function hashWords(key: { readonly words: Int32Array; readonly pool: number }): number {
  let hash = mix(0, key.pool);
  for (let at = 0; at < 4; at += 1) hash = mix(hash, key.words[at] ?? 0);
  return finish(hash);
}

function mix(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  const mixed = hash ^ Math.imul(k, 0x1b873593);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

function finish(hash: number): number {
  let h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Home cell of a hash among `cells`: multiply and shift instead of a division. */
export function homeCell(hash: number, cells: number): number {
  return Math.floor((hash / 4_294_967_296) * cells);
}
