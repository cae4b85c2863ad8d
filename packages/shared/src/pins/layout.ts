/**
 * The pin table's place in memory: a header and a fixed number of cells of eight 32-bit words, in one SharedArrayBuffer.
 *
 * A lookup costs what it misses in the processor's caches, so two cells fill one line of them and a pin's home is such a pair:
 * six of seven pins are found in the first line. 32 bytes a cell; at the fullest allowed (55 %) that is 59 bytes a pin. One
 * thread writes, any number read without a lock.
 */

/** Words of a cell; `state` is made by {@link cellState}. The others but `state` are as in a record of a snapshot. */
export const CELL = { pool: 0, key: 1, state: 5, expiresS: 6, revision: 7, words: 8 } as const;

/**
 * Words of the header. `moves` is odd while cells change places: a reader that missed must look again. Allocators begin a large
 * block 16 bytes after a page: with these twelve words the cells begin with a line.
 */
export const HEADER = { cells: 0, count: 1, moves: 2, words: 12 } as const;

/** Cells that one line of the processor's caches holds: homes are pairs. */
const PAIR_CELLS = 2;

/** Share of the cells that may be taken. Beyond it probes get long; the writer refuses. */
export const FILL_MAX_RATIO = 0.55;

/** Cells that hold `pins` pins at the allowed fill. */
export function cellsFor(pins: number): number {
  return Math.ceil(pins / FILL_MAX_RATIO / PAIR_CELLS) * PAIR_CELLS;
}

export function bytesFor(cells: number): number {
  return (HEADER.words + cells * CELL.words) * Int32Array.BYTES_PER_ELEMENT;
}

/**
 * A cell's number of its last write, above, and slot of the backend, 0 to 65,535, below. The number is 0 where the cell is
 * empty, odd while it is written, else even. It comes round after 32,767 writes, which no reader can sleep through: a pin is
 * written again when a quarter of its time is gone, or for another backend, and either takes an entry of the log.
 */
export function cellState(seq: number, backend: number): number {
  return (seq << 16) | (backend & 0xffff);
}

export function seqOf(state: number): number {
  return state >>> 16;
}

export function backendOf(state: number): number {
  return state & 0xffff;
}

/** The number after this one: odd after even and even after odd, and never 0 again. */
export function nextSeq(seq: number): number {
  return seq === 0xffff ? 2 : seq + 1;
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
  if (!writeLiteral(key, out)) {
    words[0] = hash32(key, 0x1b873593) | 0;
    words[1] = hash32(key, 0x85ebca6b) | 0;
    words[2] = hash32(key, 0xc2b2ae35) | 0;
    words[3] = hash32(key, 0x27d4eb2f) | 0;
    bytes[15] = 0xff;
  }
  out.hash = hashWords(out);
}

const POOL_SEED = 0x9747b28c;
/** Most lookups of a thread are for the pool of the one before. */
const last = { pool: '', hash: hash32('', POOL_SEED) | 0 };

/** A pool's name in one word of a cell. */
export function hashPool(pool: string): number {
  if (pool === last.pool) return last.hash;
  last.hash = hash32(pool, POOL_SEED) | 0;
  last.pool = pool;
  return last.hash;
}

/** Whole words, lowest byte first: bytes that are written one by one and read as words at once make the processor wait. */
function writeLiteral(key: string, { words, bytes }: PinKey): boolean {
  const { length } = key;
  if (length > LITERAL_KEY_MAX_BYTES) return false;
  words[0] = words[1] = words[2] = words[3] = 0;
  let word = 0;
  for (let at = 0; at < length; at += 1) {
    const code = key.charCodeAt(at);
    if (code > 0x7f) return writeEncoded(key, bytes);
    word |= code << ((at & 3) << 3);
    if ((at & 3) !== 3) continue;
    words[at >> 2] = word;
    word = 0;
  }
  if (length > 11) words[3] = word | (length << 24);
  else {
    words[length >> 2] = word;
    words[3] = length << 24;
  }
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

/** First cell of a hash's home pair among `cells`, an even number: multiply and shift instead of a division. */
export function homeCell(hash: number, cells: number): number {
  return Math.floor((hash / 4_294_967_296) * (cells / PAIR_CELLS)) * PAIR_CELLS;
}
