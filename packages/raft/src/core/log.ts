/**
 * The part of the log that is in memory: an array of entries and the index of its first. What a snapshot covers may be
 * cut off at the front; what conflicts with a leader is cut off at the back. Knows nothing of disks or roles.
 */
import { ENTRY_OVERHEAD_BYTES } from './config.ts';
import { assert } from './assert.ts';
import { EntryKind, type Entry, type Index, type Term } from './types.ts';

export function entryBytes(entry: Entry): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}

export class RaftLog {
  /** Contiguous; terms never fall. Invariant: entries[i].index === firstIndex + i. */
  #entries: Entry[];
  #firstIndex: Index;
  /** Term of the entry at firstIndex - 1; undefined where it is gone for good. */
  #baseTerm: Term | undefined;

  /** `entries` as the store vouches for them: it has read each. Reading a million once more would hold the loop. */
  constructor(entries: readonly Entry[], firstIndex: Index, baseTerm: Term | undefined) {
    assert((entries[0]?.index ?? firstIndex) === firstIndex, 'the log begins where it is said to');
    const lastIndex = firstIndex + entries.length - 1;
    assert((entries.at(-1)?.index ?? lastIndex) === lastIndex, 'log is contiguous');
    this.#entries = [...entries];
    this.#firstIndex = firstIndex;
    this.#baseTerm = baseTerm;
  }

  get firstIndex(): Index {
    return this.#firstIndex;
  }

  get lastIndex(): Index {
    return this.#firstIndex + this.#entries.length - 1;
  }

  get lastTerm(): Term {
    const last = this.#entries.at(-1);
    return last === undefined ? (this.#baseTerm ?? 0) : last.term;
  }

  /** Undefined beyond either end of what is known. */
  termAt(index: Index): Term | undefined {
    if (index === this.#firstIndex - 1) return this.#baseTerm;
    return this.#entries[index - this.#firstIndex]?.term;
  }

  entryAt(index: Index): Entry | undefined {
    return this.#entries[index - this.#firstIndex];
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
    this.#entries.length = index - this.#firstIndex;
  }

  /** Drops entries before `index`. */
  compactTo(index: Index): void {
    if (index <= this.#firstIndex) return;
    assert(index <= this.lastIndex + 1, 'compaction lies within the log');
    this.#baseTerm = this.termAt(index - 1);
    this.#entries = this.#entries.slice(index - this.#firstIndex);
    this.#firstIndex = index;
  }

  /** Forgets everything: the log now begins behind a snapshot. */
  resetTo(index: Index, term: Term): void {
    this.#entries = [];
    this.#firstIndex = index + 1;
    this.#baseTerm = term;
  }

  /** Entries from `from` to `to`, both included. */
  slice(from: Index, to: Index): Entry[] {
    return this.#entries.slice(from - this.#firstIndex, to - this.#firstIndex + 1);
  }

  /** Index of the first change of membership from `from` to `to`, both included; null where there is none. */
  firstConfIndex(from: Index, to: Index): Index | null {
    for (let at = from - this.#firstIndex; at <= to - this.#firstIndex; at += 1) {
      if (this.#entries[at]?.kind === EntryKind.conf) return at + this.#firstIndex;
    }
    return null;
  }

  /** Entries from `from` on, as many as fit into `maxBytes` but at least one. */
  sliceBytes(from: Index, maxBytes: number): { readonly entries: Entry[]; readonly bytes: number } {
    const start = from - this.#firstIndex;
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
   * compacted front. Lets one round trip skip a whole term of conflicting entries (end of §5.3).
   */
  lastIndexWithTermAtMost(index: Index, term: Term): { readonly index: Index; readonly term: Term } {
    for (let at = index; at >= this.#firstIndex - 1; at -= 1) {
      const here = this.termAt(at);
      if (here === undefined) return { index: at, term: 0 };
      if (here <= term) return { index: at, term: here };
    }
    return { index: Math.min(index, this.#firstIndex - 1), term: 0 };
  }

  /** §5.4.1: is a log that ends with (index, term) at least as up to date as this one? */
  isUpToDate(index: Index, term: Term): boolean {
    return term > this.lastTerm || (term === this.lastTerm && index >= this.lastIndex);
  }
}
