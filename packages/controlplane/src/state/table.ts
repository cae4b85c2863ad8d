/**
 * One section of the replicated state: rows by key, with a digest that costs what a change costs.
 *
 * Rows are immutable and made of JSON values; `set` replaces them. The digest is the sum of the rows' hashes, so it does not
 * depend on the order in which rows came, and taking a row out is subtracting. Rows are iterated in the order in which their
 * keys were first set; a snapshot keeps that order, so that bounded tables drop the same row everywhere.
 */
import { hashText, newLanes } from './hash.ts';

interface Slot<V> {
  value: V;
  lo: number;
  hi: number;
  bytes: number;
}

const scratch = newLanes();

/** How a row is written in a snapshot, and what its hash is of. */
export function rowText(key: string, value: unknown): string {
  return JSON.stringify([key, value]);
}

export class Table<V> {
  readonly name: string;
  readonly #seed: number;
  readonly #slots = new Map<string, Slot<V>>();
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

  /** Bytes of all rows as `rowText`, without separators. */
  get bytes(): number {
    return this.#bytes;
  }

  get lo(): number {
    return this.#lo;
  }

  get hi(): number {
    return this.#hi;
  }

  get(key: string): V | undefined {
    return this.#slots.get(key)?.value;
  }

  has(key: string): boolean {
    return this.#slots.has(key);
  }

  /** Bytes of one row as `rowText`; 0 where there is none. */
  rowBytes(key: string): number {
    return this.#slots.get(key)?.bytes ?? 0;
  }

  set(key: string, value: V): void {
    hashText(rowText(key, value), this.#seed, scratch);
    const { lo, hi, utf8Bytes } = scratch;
    const slot = this.#slots.get(key);
    if (slot === undefined) {
      this.#slots.set(key, { value, lo, hi, bytes: utf8Bytes });
      this.#add(lo, hi, utf8Bytes);
      return;
    }
    this.#add(lo - slot.lo, hi - slot.hi, utf8Bytes - slot.bytes);
    slot.value = value;
    slot.lo = lo;
    slot.hi = hi;
    slot.bytes = utf8Bytes;
  }

  delete(key: string): boolean {
    const slot = this.#slots.get(key);
    if (slot === undefined) return false;
    this.#slots.delete(key);
    this.#add(-slot.lo, -slot.hi, -slot.bytes);
    return true;
  }

  /** The key that was set first, of those still there. */
  oldestKey(): string | undefined {
    return this.#slots.keys().next().value;
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

  /** The rows of this moment: later changes replace rows and do not reach them. */
  capture(): { readonly keys: readonly string[]; readonly values: readonly V[] } {
    const keys: string[] = [];
    const values: V[] = [];
    for (const [key, slot] of this.#slots) {
      keys.push(key);
      values.push(slot.value);
    }
    return { keys, values };
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
