/**
 * One section of the replicated state: rows by key, with a digest that costs what a change costs.
 *
 * Rows are immutable and made of JSON values; `set` replaces them. The digest is the sum of the rows' hashes, so it does not
 * depend on the order in which rows came, and taking a row out is subtracting. A row is hashed when somebody asks for the
 * sum: one that is replaced before that costs nothing. Rows are iterated in the order in which their
 * keys were first set; a snapshot keeps that order, so that bounded tables drop the same row everywhere.
 */
import { hashRow, hashText, newLanes } from './hash.ts';

interface Slot<V> {
  readonly key: string;
  value: V;
  /** Neighbours by age: rows whose keys were set before and after this one's. */
  older: Slot<V> | null;
  newer: Slot<V> | null;
  /** Hash and size that are part of the sums now; 0 before the first time. */
  lo: number;
  hi: number;
  bytes: number;
  /** The sums do not know this value yet: it stands in the list of those to be hashed. */
  isFresh: boolean;
}

const scratch = newLanes();

/** How a row is written in a snapshot, and what its hash is of. */
export function rowText(key: string, value: unknown): string {
  return JSON.stringify([key, value]);
}

/** What every section of the state can be asked, and how it is filled again from bytes. */
export interface Section<V> {
  readonly name: string;
  readonly size: number;
  /** Bytes of all rows as `rowText`, without separators. */
  readonly bytes: number;
  /** The sum of the rows' hashes, as two words. */
  readonly lo: number;
  readonly hi: number;
  get(key: string): V | undefined;
  has(key: string): boolean;
  keys(): IterableIterator<string>;
  entries(): IterableIterator<[string, V]>;
  set(key: string, value: V): void;
  /** The rows of this moment: later changes do not reach them. */
  capture(): { readonly keys: readonly string[]; readonly values: readonly V[] };
}

export class Table<V> implements Section<V> {
  readonly name: string;
  readonly #seed: number;
  readonly #slots = new Map<string, Slot<V>>();
  /** Rows to be hashed; some may be gone by then. */
  readonly #fresh: Slot<V>[] = [];
  #oldest: Slot<V> | null = null;
  #newest: Slot<V> | null = null;
  #lo = 0;
  #hi = 0;
  #bytes = 0;

  constructor(name: string) {
    this.name = name;
    hashText(name, 1, scratch);
    this.#seed = scratch.lo;
  }

  get size(): number {
    return this.#slots.size;
  }

  get bytes(): number {
    this.#hashFresh();
    return this.#bytes;
  }

  get lo(): number {
    this.#hashFresh();
    return this.#lo;
  }

  get hi(): number {
    this.#hashFresh();
    return this.#hi;
  }

  get(key: string): V | undefined {
    return this.#slots.get(key)?.value;
  }

  has(key: string): boolean {
    return this.#slots.has(key);
  }

  set(key: string, value: V): void {
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = { key, value, older: this.#newest, newer: null, lo: 0, hi: 0, bytes: 0, isFresh: false };
      if (this.#newest === null) this.#oldest = slot;
      else this.#newest.newer = slot;
      this.#newest = slot;
      this.#slots.set(key, slot);
    }
    slot.value = value;
    if (slot.isFresh) return;
    slot.isFresh = true;
    this.#fresh.push(slot);
  }

  delete(key: string): boolean {
    const slot = this.#slots.get(key);
    if (slot === undefined) return false;
    this.#drop(slot);
    return true;
  }

  /** Takes out the row whose key was set first, of those still there. */
  deleteOldest(): void {
    if (this.#oldest !== null) this.#drop(this.#oldest);
  }

  /** The key that was set first, of those still there. */
  oldestKey(): string | undefined {
    return this.#oldest?.key;
  }

  keys(): IterableIterator<string> {
    return this.#slots.keys();
  }

  sortedKeys(): string[] {
    return [...this.#slots.keys()].sort(byCodeUnit);
  }

  *entries(): IterableIterator<[string, V]> {
    for (const [key, slot] of this.#slots) yield [key, slot.value];
  }

  capture(): { readonly keys: readonly string[]; readonly values: readonly V[] } {
    const keys: string[] = [];
    const values: V[] = [];
    for (const [key, slot] of this.#slots) {
      keys.push(key);
      values.push(slot.value);
    }
    return { keys, values };
  }

  #drop(slot: Slot<V>): void {
    const { older, newer } = slot;
    if (older === null) this.#oldest = newer;
    else older.newer = newer;
    if (newer === null) this.#newest = older;
    else newer.older = older;
    this.#slots.delete(slot.key);
    slot.isFresh = false;
    this.#add(-slot.lo, -slot.hi, -slot.bytes);
  }

  #hashFresh(): void {
    if (this.#fresh.length === 0) return;
    for (const slot of this.#fresh) {
      if (!slot.isFresh) continue;
      slot.isFresh = false;
      hashRow(slot.key, slot.value, this.#seed, scratch);
      const { lo, hi, utf8Bytes } = scratch;
      this.#add(lo - slot.lo, hi - slot.hi, utf8Bytes - slot.bytes);
      slot.lo = lo;
      slot.hi = hi;
      slot.bytes = utf8Bytes;
    }
    this.#fresh.length = 0;
  }

  #add(lo: number, hi: number, bytes: number): void {
    this.#lo = (this.#lo + lo) >>> 0;
    this.#hi = (this.#hi + hi) >>> 0;
    this.#bytes += bytes;
  }
}

/** The order of keys everywhere: by UTF-16 code unit, never by locale. */
export function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
