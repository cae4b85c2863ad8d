/**
 * The pins section of the replicated state. Its store is the table in shared memory that the proxy threads read: there is no
 * second copy. Here are the digest, the counts and the moment's capture; the rules of pinning are in `pinning.ts`.
 *
 * Where a pin stands in the table may differ from node to node; what is in it, and the digest, never does. A pin counts until a
 * command removes it: time alone removes nothing. The memory is taken with the first pin.
 */
import {
  hashPool,
  hashWords,
  newPinKey,
  PIN_RECORD_BYTES,
  PinWriter,
  type PinKey,
  type StoredPin,
} from '@flotilla/shared';
import { PIN_PARTITIONS_COUNT, PINS_MAX_COUNT } from './limits.ts';

/** As many as there are hashes of 32 bits: past the last one. */
const HASHES = 2 ** 32;

export interface CapturedPins {
  readonly count: number;
  readonly slices: Iterable<Uint8Array>;
}

/** Reading only. `StoredPin` objects are reused by the next call. */
export type ReadonlyPins = Pick<PinStore, 'size' | 'maxCount' | 'memory' | 'get' | 'countOf' | 'pins' | 'range'>;

export class PinStore {
  readonly maxCount: number;
  #writer: PinWriter | null = null;
  readonly #counts = new Map<number, number>();
  #lo = 0;
  #hi = 0;
  readonly #lanes = { lo: 0, hi: 0 };

  constructor(maxCount = PINS_MAX_COUNT) {
    this.maxCount = maxCount;
  }

  get size(): number {
    return this.#writer?.count ?? 0;
  }

  /** What the proxy threads read; null before the first pin. */
  get memory(): SharedArrayBuffer | null {
    return this.#writer?.memory ?? null;
  }

  get lo(): number {
    return this.#lo;
  }

  get hi(): number {
    return this.#hi;
  }

  get(key: PinKey): StoredPin | null {
    return this.#writer?.get(key) ?? null;
  }

  countOf(pool: string): number {
    return this.#counts.get(hashPool(pool)) ?? 0;
  }

  /** Sets or replaces; false where the table is full. */
  set(key: PinKey, pin: Pick<StoredPin, 'backend' | 'expiresS' | 'revision'>): boolean {
    this.#writer ??= new PinWriter(this.maxCount);
    const before = this.#writer.get(key);
    if (before === null && this.size >= this.maxCount) return false;
    if (before !== null) this.#count(before, -1);
    this.#writer.set(key, pin);
    this.#count({ pool: key.pool, words: key.words, ...pin }, 1);
    return true;
  }

  delete(key: PinKey): boolean {
    const before = this.get(key);
    if (before === null) return false;
    this.#count(before, -1);
    this.#writer?.delete(key);
    return true;
  }

  /** Removes those of one partition of the key space for which `gone` holds; answers how many. */
  sweep(partition: number, gone: (pin: StoredPin) => boolean): number {
    if (this.#writer === null) return 0;
    const width = HASHES / PIN_PARTITIONS_COUNT;
    return this.#writer.scan(partition * width, (partition + 1) * width, (pin) => {
      if (!gone(pin)) return false;
      this.#count(pin, -1);
      return true;
    });
  }

  /** The pins whose hash is in [`from`, `to`), in no particular order. */
  range(from: number, to: number, visit: (pin: StoredPin, hash: number) => void): void {
    this.#writer?.scan(from, to, (pin, hash) => {
      visit(pin, hash);
      return false;
    });
  }

  /** All of them, copied, in no particular order. For tests. */
  pins(): StoredPin[] {
    const pins: StoredPin[] = [];
    this.range(0, HASHES, (pin) => void pins.push({ ...pin, words: pin.words.slice() }));
    return pins;
  }

  /** The pins of this moment: later changes do not reach them. */
  capture(): CapturedPins {
    if (this.#writer === null || this.size === 0) return { count: 0, slices: [] };
    const capture = this.#writer.capture();
    return { count: capture.count, slices: capture.slices() };
  }

  /** Adds pins from their records; the inverse of `capture`. Whole records only. */
  addRecords(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const key = newPinKey();
    for (let at = 0; at < bytes.length; at += PIN_RECORD_BYTES) {
      key.pool = view.getInt32(at, true);
      for (let word = 0; word < 4; word++) key.words[word] = view.getInt32(at + 4 + word * 4, true);
      key.hash = hashWords(key);
      const [backend, expiresS] = [view.getInt32(at + 20, true), view.getUint32(at + 24, true)];
      if (!this.set(key, { backend, expiresS, revision: view.getUint32(at + 28, true) }))
        throw new Error(`snapshot: it has more pins than the ${this.maxCount} that fit`);
    }
  }

  /** The digest from the pins alone, as a restored table would have it. */
  recomputed(): { readonly lo: number; readonly hi: number } {
    const sum = { lo: 0, hi: 0 };
    this.range(0, HASHES, (pin) => {
      hashPin(pin, this.#lanes);
      sum.lo = (sum.lo + this.#lanes.lo) >>> 0;
      sum.hi = (sum.hi + this.#lanes.hi) >>> 0;
    });
    return sum;
  }

  #count(pin: StoredPin, sign: 1 | -1): void {
    hashPin(pin, this.#lanes);
    this.#lo = (this.#lo + sign * this.#lanes.lo) >>> 0;
    this.#hi = (this.#hi + sign * this.#lanes.hi) >>> 0;
    this.#counts.set(pin.pool, (this.#counts.get(pin.pool) ?? 0) + sign);
  }
}

/** 64 bits of one pin, as `hashText` does for the text of a row, with the numbers of that. */
function hashPin(pin: StoredPin, out: { lo: number; hi: number }): void {
  // `pins` in ASCII.
  let a = 0x70696e73;
  let b = 0x41c6ce57;
  const take = (word: number): void => {
    a = Math.imul(a ^ word ^ (a >>> 15), 2_654_435_761);
    b = Math.imul(b ^ word ^ (b >>> 13), 1_597_334_677);
  };
  take(pin.pool);
  for (let word = 0; word < 4; word++) take(pin.words[word] ?? 0);
  take(pin.backend);
  take(pin.expiresS | 0);
  take(pin.revision | 0);
  a = Math.imul(a ^ (a >>> 16), 2_246_822_507) ^ Math.imul(b ^ (b >>> 13), 3_266_489_909);
  b = Math.imul(b ^ (b >>> 16), 2_246_822_507) ^ Math.imul(a ^ (a >>> 13), 3_266_489_909);
  out.lo = a >>> 0;
  out.hi = b >>> 0;
}
