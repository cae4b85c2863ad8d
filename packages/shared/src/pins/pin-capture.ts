/**
 * The pin table as it was at one moment, read later and in slices while it is written on: before a cell changes, its segment
 * is set aside, unless it was read already. Costs what is changed meanwhile, never a copy of the whole at once.
 */
import { CELL, HEADER } from './layout.ts';

/** Cells that are set aside together: small, because a batch of new pins touches as many segments as it has pins. */
const SEGMENT_CELLS = 64;

/** Pool, four words of the key, backend, expiry, revision: eight little-endian words, without the cell's sequence number. */
export const PIN_RECORD_BYTES = 32;

/** Bytes that one slice has at most. */
export const PIN_SLICE_BYTES = 262_144;

const FIELDS = CELL.words - 1;

export class PinCapture {
  /** Pins at the moment of the capture. */
  readonly count: number;
  readonly #words: Int32Array;
  readonly #cells: number;
  readonly #closed: (capture: PinCapture) => void;
  readonly #aside: (Int32Array | null)[];
  /** 1: read, or set aside. */
  readonly #safe: Uint8Array;
  #cancelled = false;

  constructor(words: Int32Array, closed: (capture: PinCapture) => void) {
    this.#words = words;
    this.#closed = closed;
    this.#cells = words[HEADER.cells] ?? 0;
    this.count = words[HEADER.count] ?? 0;
    const segments = Math.ceil(this.#cells / SEGMENT_CELLS);
    this.#aside = Array.from({ length: segments }, () => null);
    this.#safe = new Uint8Array(segments);
  }

  /** To be called before a cell is changed. */
  before(cell: number): void {
    const segment = Math.floor(cell / SEGMENT_CELLS);
    if (this.#safe[segment] === 1) return;
    this.#safe[segment] = 1;
    const at = HEADER.words + segment * SEGMENT_CELLS * CELL.words;
    this.#aside[segment] = this.#words.slice(at, at + this.#lengthOf(segment));
  }

  /** Nobody will read it any more. */
  cancel(): void {
    this.#cancelled = true;
    this.#aside.fill(null);
  }

  /** The pins as records, at most `PIN_SLICE_BYTES` at a time. To be read once. */
  *slices(): Generator<Uint8Array> {
    try {
      let out = new Uint8Array(PIN_SLICE_BYTES);
      let used = 0;
      for (let segment = 0; segment < this.#aside.length; segment += 1) {
        if (this.#cancelled) throw new Error('this capture of the pin table was given up for newer ones');
        used = this.#writeSegment(segment, out, used);
        if (used + SEGMENT_CELLS * PIN_RECORD_BYTES <= PIN_SLICE_BYTES) continue;
        yield out.subarray(0, used);
        out = new Uint8Array(PIN_SLICE_BYTES);
        used = 0;
      }
      if (used > 0) yield out.subarray(0, used);
    } finally {
      this.#closed(this);
    }
  }

  #writeSegment(segment: number, out: Uint8Array, from: number): number {
    const aside = this.#aside[segment] ?? null;
    const source = aside ?? this.#words;
    const start = aside === null ? HEADER.words + segment * SEGMENT_CELLS * CELL.words : 0;
    const end = start + this.#lengthOf(segment);
    const view = new DataView(out.buffer);
    let to = from;
    for (let at = start; at < end; at += CELL.words) {
      if (source[at + CELL.seq] === 0) continue;
      for (let field = 1; field <= FIELDS; field += 1, to += 4) view.setInt32(to, source[at + field] ?? 0, true);
    }
    this.#safe[segment] = 1;
    this.#aside[segment] = null;
    return to;
  }

  /** In words. */
  #lengthOf(segment: number): number {
    return Math.min(SEGMENT_CELLS, this.#cells - segment * SEGMENT_CELLS) * CELL.words;
  }
}
