/**
 * The log as a store held it, in memory as bytes: few large pieces, however many entries and blocks there are. An entry
 * becomes an object when somebody asks for it, and is garbage of the cheap kind soon after.
 */
import { ByteReader } from '../codec/bytes.ts';
import { EntryReader } from '../codec/entries.ts';
import { EntryKind } from '../core/types.ts';
import type { Entry, Index, PackedEntries, Term } from '../core/types.ts';
import { PACKED_PIECE_BYTES } from './limits.ts';

/** Entries made at once while somebody goes through all of them. */
const ITERATED_AT_ONCE_COUNT = 64;

interface Piece {
  /** Position of its first entry in the whole log. */
  readonly first: number;
  readonly reader: ByteReader;
  /** Where in the piece each entry's record begins. */
  readonly offsets: Uint32Array;
}

/** A stretch of the log. Several share their pieces; one that nobody needs any more goes with the last stretch over it. */
class PackedLog implements PackedEntries {
  readonly #pieces: readonly Piece[];
  /** Positions in the whole log of membership changes; ascending. */
  readonly #confs: readonly number[];
  /** First position in the whole log. */
  readonly #from: number;
  readonly #entryReader = new EntryReader();
  readonly length: number;

  constructor(pieces: readonly Piece[], confs: readonly number[], from: number, length: number) {
    this.#pieces = pieces;
    this.#confs = confs;
    this.#from = from;
    this.length = length;
  }

  at(position: number): Entry | undefined {
    const at = position < 0 ? position + this.length : position;
    return at < 0 || at >= this.length ? undefined : this.slice(at, at + 1)[0];
  }

  slice(from: number, to: number): Entry[] {
    const entries: Entry[] = [];
    const end = this.#from + to;
    let at = this.#from + from;
    for (let number = this.#pieceOf(at); at < end; number++) {
      const { first, reader, offsets } = this.#pieces[number] as Piece;
      for (const endHere = Math.min(end, first + offsets.length); at < endHere; at++) {
        reader.at = offsets[at - first] as number;
        entries.push(this.#entryReader.read(reader));
      }
    }
    return entries;
  }

  part(from: number, to: number): PackedEntries {
    const start = this.#from + from;
    const end = this.#from + to;
    const pieces = this.#pieces.filter(({ first, offsets }) => first < end && first + offsets.length > start);
    const confs = this.#confs.filter((at) => at >= start && at < end);
    return new PackedLog(pieces, confs, start, to - from);
  }

  firstConf(from: number, to: number): number {
    const found = this.#confs.find((at) => at >= this.#from + from && at < this.#from + to);
    return found === undefined ? -1 : found - this.#from;
  }

  *[Symbol.iterator](): Generator<Entry, void, undefined> {
    for (let at = 0; at < this.length; at += ITERATED_AT_ONCE_COUNT) {
      yield* this.slice(at, Math.min(at + ITERATED_AT_ONCE_COUNT, this.length));
    }
  }

  /** Number of the piece that holds a position of the whole log. */
  #pieceOf(at: number): number {
    let low = 0;
    let high = this.#pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#pieces[middle] as Piece).first <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Takes records in the order of the log. */
export class LogPacker {
  readonly #pieces: Piece[] = [];
  readonly #confs: number[] = [];
  #count = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #used = 0;
  #offsets: number[] = [];
  /** Where the log ends so far; undefined before the first entry. */
  last: { readonly index: Index; readonly term: Term } | undefined;

  /** `records`: bytes that hold the record of each of `entries`, at `offsets`. They are copied. */
  add(records: Buffer, entries: readonly Entry[], offsets: readonly number[]): void {
    if (this.#used + records.length > this.#bytes.length) {
      this.#seal();
      this.#bytes = Buffer.allocUnsafeSlow(Math.max(PACKED_PIECE_BYTES, records.length));
    }
    this.#bytes.set(records, this.#used);
    for (const offset of offsets) this.#offsets.push(this.#used + offset);
    this.#used += records.length;
    for (const entry of entries) {
      if (entry.kind === EntryKind.conf) this.#confs.push(this.#count);
      this.#count++;
    }
    const last = entries.at(-1);
    if (last !== undefined) this.last = { index: last.index, term: last.term };
  }

  /** All of it. Nothing may be added afterwards. */
  done(): PackedEntries {
    this.#seal();
    return new PackedLog(this.#pieces, this.#confs, 0, this.#count);
  }

  #seal(): void {
    const first = this.#count - this.#offsets.length;
    if (this.#offsets.length > 0) {
      // Most logs are short: they need no whole piece.
      const isFull = this.#used * 2 > this.#bytes.length;
      const reader = new ByteReader(isFull ? this.#bytes : Buffer.from(this.#bytes.subarray(0, this.#used)));
      this.#pieces.push({ first, reader, offsets: Uint32Array.from(this.#offsets) });
    }
    this.#offsets = [];
    this.#used = 0;
  }
}
