/**
 * The part of the log that is in memory: what a store held packed, then an array of entries, and the index of the first. What
 * a snapshot covers may be cut off at the front; what conflicts with a leader is cut off at the back. Knows nothing of disks
 * or roles.
 */
import { ENTRY_OVERHEAD_BYTES } from './config.ts';
import { assert } from './assert.ts';
import { EntryKind, type Entry, type EntryRow, type Index, type PackedEntries, type Term } from './types.ts';

export function entryBytes(entry: Entry): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}

const NOTHING_PACKED: PackedEntries = {
  length: 0,
  at: () => undefined,
  slice: () => [],
  part: () => NOTHING_PACKED,
  firstConf: () => -1,
  [Symbol.iterator]: () => [][Symbol.iterator](),
};

export class RaftLog {
  /** Where the log begins; nothing is ever added to it. Contiguous; terms never fall, here and on into `entries`. */
  #packed: PackedEntries;
  /** What follows. Invariant: entries[i].index === firstIndex + packed.length + i. */
  #entries: Entry[];
  #firstIndex: Index;
  /** Term of the entry at firstIndex - 1; undefined where it is gone for good. */
  #baseTerm: Term | undefined;

  /** `entries` as the store vouches for them: it has read each. Reading a million once more would hold the loop. */
  constructor(entries: EntryRow, firstIndex: Index, baseTerm: Term | undefined) {
    assert((entries.at(0)?.index ?? firstIndex) === firstIndex, 'the log begins where it is said to');
    const lastIndex = firstIndex + entries.length - 1;
    assert((entries.at(-1)?.index ?? lastIndex) === lastIndex, 'log is contiguous');
    const isPacked = 'part' in entries;
    this.#packed = isPacked ? entries : NOTHING_PACKED;
    this.#entries = isPacked ? [] : [...entries];
    this.#firstIndex = firstIndex;
    this.#baseTerm = baseTerm;
  }

  get firstIndex(): Index {
    return this.#firstIndex;
  }

  get lastIndex(): Index {
    return this.#firstIndex + this.#packed.length + this.#entries.length - 1;
  }

  get lastTerm(): Term {
    const last = this.#entries.at(-1) ?? this.#packed.at(-1);
    return last === undefined ? (this.#baseTerm ?? 0) : last.term;
  }

  /** Undefined beyond either end of what is known. */
  termAt(index: Index): Term | undefined {
    if (index === this.#firstIndex - 1) return this.#baseTerm;
    return this.entryAt(index)?.term;
  }

  entryAt(index: Index): Entry | undefined {
    const at = index - this.#firstIndex - this.#packed.length;
    if (at >= 0) return this.#entries[at];
    return index < this.#firstIndex ? undefined : this.#packed.at(index - this.#firstIndex);
  }

  append(entries: readonly Entry[]): void {
    let index = this.lastIndex;
    let term = this.lastTerm;
    for (const entry of entries) {
      index += 1;
      assert(entry.index === index, 'log is contiguous');
      assert(entry.term >= term, 'terms never fall along the log');
      term = entry.term;
      this.#entries.push(entry);
    }
  }

  /** Drops entries from `index` on. */
  truncateFrom(index: Index): void {
    assert(index >= this.#firstIndex && index <= this.lastIndex, 'truncation lies within the log');
    const keep = index - this.#firstIndex;
    this.#entries.length = Math.max(0, keep - this.#packed.length);
    if (keep < this.#packed.length) this.#packed = this.#packed.part(0, keep);
  }

  /** Drops entries before `index`. */
  compactTo(index: Index): void {
    if (index <= this.#firstIndex) return;
    assert(index <= this.lastIndex + 1, 'compaction lies within the log');
    this.#baseTerm = this.termAt(index - 1);
    const drop = index - this.#firstIndex;
    const packed = this.#packed.length;
    if (drop < packed) this.#packed = this.#packed.part(drop, packed);
    else {
      this.#packed = NOTHING_PACKED;
      this.#entries = this.#entries.slice(drop - packed);
    }
    this.#firstIndex = index;
  }

  /** Forgets everything: the log now begins behind a snapshot. */
  resetTo(index: Index, term: Term): void {
    this.#packed = NOTHING_PACKED;
    this.#entries = [];
    this.#firstIndex = index + 1;
    this.#baseTerm = term;
  }

  /** Entries from `from` to `to`, both included and kept, in at most two rows. */
  rows(from: Index, to: Index): readonly EntryRow[] {
    const packed = this.#packed.length;
    const start = from - this.#firstIndex;
    const end = to - this.#firstIndex + 1;
    const rows: EntryRow[] = [];
    if (start < Math.min(end, packed)) rows.push(this.#packed.part(start, Math.min(end, packed)));
    if (end > Math.max(start, packed)) rows.push(this.#entries.slice(Math.max(0, start - packed), end - packed));
    return rows;
  }

  /** Index of the first change of membership from `from` to `to`, both included; null where there is none. */
  firstConfIndex(from: Index, to: Index): Index | null {
    const packed = this.#packed.length;
    const start = Math.max(0, from - this.#firstIndex);
    const end = to - this.#firstIndex + 1;
    const found = start < packed ? this.#packed.firstConf(start, Math.min(end, packed)) : -1;
    if (found >= 0) return found + this.#firstIndex;
    for (let at = Math.max(start, packed); at < end; at += 1) {
      if (this.#entries[at - packed]?.kind === EntryKind.conf) return at + this.#firstIndex;
    }
    return null;
  }

  /** Entries from `from` on, as many as fit into `maxBytes` but at least one. */
  sliceBytes(from: Index, maxBytes: number): { readonly entries: Entry[]; readonly bytes: number } {
    const start = from - this.#firstIndex - this.#packed.length;
    if (start >= 0) return this.#sliceBytes(start, maxBytes);
    const entries: Entry[] = [];
    let bytes = 0;
    for (let entry = this.entryAt(from); entry !== undefined; entry = this.entryAt(from + entries.length)) {
      const size = entryBytes(entry);
      if (entries.length > 0 && bytes + size > maxBytes) break;
      bytes += size;
      entries.push(entry);
    }
    return { entries, bytes };
  }

  /** The way of nearly every append: counted first, then copied at once. */
  #sliceBytes(start: number, maxBytes: number): { readonly entries: Entry[]; readonly bytes: number } {
    let end = start;
    let bytes = 0;
    for (let entry = this.#entries[end]; entry !== undefined; entry = this.#entries[end]) {
      const size = entryBytes(entry);
      if (end > start && bytes + size > maxBytes) break;
      bytes += size;
      end += 1;
    }
    return { entries: this.#entries.slice(start, end), bytes };
  }

  /**
   * The highest index from `index` down whose term is at most `term`: where two logs may agree at best. Stops at the
   * compacted front. Lets one round trip skip a whole term of conflicting entries (end of §5.3). Terms never fall, so it
   * is found by halves: a term may be a million entries long.
   */
  lastIndexWithTermAtMost(index: Index, term: Term): { readonly index: Index; readonly term: Term } {
    const base = this.#firstIndex - 1;
    if (index < base) return { index, term: 0 };
    let low = base;
    let high = index;
    while (low < high) {
      const middle = low + Math.ceil((high - low) / 2);
      if ((this.termAt(middle) ?? Infinity) <= term) low = middle;
      else high = middle - 1;
    }
    const here = this.termAt(low);
    return { index: low, term: here === undefined || here > term ? 0 : here };
  }

  /** §5.4.1: is a log that ends with (index, term) at least as up to date as this one? */
  isUpToDate(index: Index, term: Term): boolean {
    return term > this.lastTerm || (term === this.lastTerm && index >= this.lastIndex);
  }
}
