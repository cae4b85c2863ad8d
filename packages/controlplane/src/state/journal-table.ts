/**
 * A table of what the newest entries of the log did, by their index: history and audit trail. Read like any other table, and
 * with the digest that its rows would have there.
 *
 * Every write adds a row and takes the oldest one out. So they stand in a ring, and are kept as the `Change` of which they are
 * made for whoever reads them. What goes before somebody asks for the digest is never made and never hashed.
 */
import { Change } from './change.ts';
import { hashRow, hashText, hashWritten, newLanes, type RowWriter } from './hash.ts';
import type { Section } from './table.ts';

/** A power of two, as every size of a ring: the journals' bounds of a thousand fit. */
const FIRST_CAPACITY_COUNT = 1_024;

const scratch = newLanes();

export class JournalTable<V extends object> implements Section<V> {
  readonly name: string;
  readonly #make: (change: Change) => V;
  readonly #write: RowWriter<Change>;
  readonly #seed: number;
  /** Rows that came from bytes are kept as they came. */
  #rows: (V | Change | null)[] = [];
  #keys = new Float64Array(0);
  /** Hash of each row and its size; of those not hashed yet the size is a bound. */
  #los = new Uint32Array(0);
  #his = new Uint32Array(0);
  #sizes = new Float64Array(0);
  /** Place of the oldest row. */
  #first = 0;
  #count = 0;
  /** So many of the newest are not hashed yet. */
  #freshCount = 0;
  #freshMaxBytes = 0;
  /** Of all keys that ever were set. */
  #highest = -1;
  #lo = 0;
  #hi = 0;
  #bytes = 0;

  /** `write` writes key and value of what `make` makes, field by field. */
  constructor(name: string, make: (change: Change) => V, write: RowWriter<Change>) {
    this.name = name;
    this.#make = make;
    this.#write = write;
    hashText(name, 1, scratch);
    this.#seed = scratch.lo;
    this.#resize(FIRST_CAPACITY_COUNT);
  }

  get size(): number {
    return this.#count;
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

  /** Does the sum of the rows' sizes exceed so many bytes? Hashes them only where their bounds do not tell. */
  exceeds(maxBytes: number): boolean {
    return this.#bytes + this.#freshMaxBytes > maxBytes && this.bytes > maxBytes;
  }

  get(key: string): V | undefined {
    const at = this.#find(numberOf(key));
    return at < 0 ? undefined : this.#rowAt(at);
  }

  has(key: string): boolean {
    return this.#find(numberOf(key)) >= 0;
  }

  /** A row as it was read from bytes. */
  set(key: string, value: V): void {
    const number = numberOf(key);
    if (Number.isNaN(number)) throw new Error(`${this.name}: "${key}" is no index`);
    this.#put(number, value, Infinity);
  }

  /** What the newest entry did; again, where the same entry did more, in place of it. `maxBytes` bounds the row's size. */
  append(change: Change, maxBytes: number): void {
    this.#put(change.index, change, maxBytes);
  }

  deleteOldest(): void {
    if (this.#count === 0) return;
    const at = this.#first;
    if (this.#freshCount === this.#count) {
      this.#freshCount -= 1;
      this.#freshMaxBytes -= this.#sizes[at] as number;
    } else this.#subtract(at);
    this.#rows[at] = null;
    this.#first = (at + 1) & (this.#rows.length - 1);
    this.#count -= 1;
  }

  *keys(): IterableIterator<string> {
    for (let nth = 0; nth < this.#count; nth++) yield String(this.#keys[this.#place(nth)]);
  }

  *entries(): IterableIterator<[string, V]> {
    for (let nth = 0; nth < this.#count; nth++) {
      const at = this.#place(nth);
      yield [String(this.#keys[at]), this.#rowAt(at)];
    }
  }

  capture(): { readonly keys: readonly string[]; readonly values: readonly V[] } {
    const keys: string[] = [];
    const values: V[] = [];
    for (const [key, value] of this.entries()) {
      keys.push(key);
      values.push(value);
    }
    return { keys, values };
  }

  #place(nth: number): number {
    return (this.#first + nth) & (this.#rows.length - 1);
  }

  #rowAt(at: number): V {
    const row = this.#rows[at] as V | Change;
    return row instanceof Change ? this.#make(row) : row;
  }

  /** From the newest on, which is nearly always the one that is asked for. */
  #find(key: number): number {
    for (let nth = this.#count - 1; nth >= 0; nth--) {
      const at = this.#place(nth);
      if (this.#keys[at] === key) return at;
    }
    return -1;
  }

  #put(key: number, row: V | Change, maxBytes: number): void {
    const known = key > this.#highest ? -1 : this.#find(key);
    if (known >= 0) this.#replace(known, row);
    else this.#add(key, row, maxBytes);
  }

  #add(key: number, row: V | Change, maxBytes: number): void {
    if (this.#count === this.#rows.length) this.#resize(this.#count * 2);
    const at = this.#place(this.#count);
    this.#rows[at] = row;
    this.#keys[at] = key;
    if (key > this.#highest) this.#highest = key;
    this.#count += 1;
    this.#freshCount += 1;
    if (maxBytes === Infinity) return this.#hashFresh();
    this.#sizes[at] = maxBytes;
    this.#freshMaxBytes += maxBytes;
  }

  #replace(at: number, row: V | Change): void {
    this.#hashFresh();
    this.#subtract(at);
    this.#rows[at] = row;
    this.#hash(at);
  }

  #hashFresh(): void {
    for (let nth = this.#count - this.#freshCount; nth < this.#count; nth++) this.#hash(this.#place(nth));
    this.#freshCount = 0;
    this.#freshMaxBytes = 0;
  }

  #hash(at: number): void {
    const row = this.#rows[at] as V | Change;
    if (row instanceof Change) hashWritten(this.#write, row, this.#seed, scratch);
    else hashRow(String(this.#keys[at]), row, this.#seed, scratch);
    const { lo, hi, utf8Bytes } = scratch;
    this.#los[at] = lo;
    this.#his[at] = hi;
    this.#sizes[at] = utf8Bytes;
    this.#lo = (this.#lo + lo) >>> 0;
    this.#hi = (this.#hi + hi) >>> 0;
    this.#bytes += utf8Bytes;
  }

  #subtract(at: number): void {
    this.#lo = (this.#lo - (this.#los[at] as number)) >>> 0;
    this.#hi = (this.#hi - (this.#his[at] as number)) >>> 0;
    this.#bytes -= this.#sizes[at] as number;
  }

  #resize(capacity: number): void {
    const rows = Array.from({ length: capacity }, (_, nth) =>
      nth < this.#count ? this.#rows[this.#place(nth)] : null,
    );
    const inOrder = <T extends Float64Array | Uint32Array>(from: T, into: T): T => {
      for (let nth = 0; nth < this.#count; nth++) into[nth] = from[this.#place(nth)] as number;
      return into;
    };
    this.#keys = inOrder(this.#keys, new Float64Array(capacity));
    this.#los = inOrder(this.#los, new Uint32Array(capacity));
    this.#his = inOrder(this.#his, new Uint32Array(capacity));
    this.#sizes = inOrder(this.#sizes, new Float64Array(capacity));
    this.#rows = rows as (V | Change | null)[];
    this.#first = 0;
  }
}

/** The index whose text a key is; NaN where it is that of none. */
function numberOf(key: string): number {
  const number = Number(key);
  return Number.isSafeInteger(number) && String(number) === key ? number : NaN;
}
