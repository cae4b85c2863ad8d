/**
 * The pin table as it was at one moment, read later and in slices while it is written on: before a cell changes, its segment
 * is set aside, unless it was read already. Costs what is changed meanwhile, never a copy of the whole at once.
 */
import { backendOf, CELL, HEADER } from './layout.ts';

/** Cells that are set aside together: few, because a batch of pins touches as many segments as it has pins. */
const SEGMENT_CELLS = 16;
const SEGMENT_WORDS = SEGMENT_CELLS * CELL.words;
/** Segments that memory is taken for at once: one array for each segment would keep the garbage collector busy. */
const BLOCK_SEGMENTS = 256;

/** Pool, four words of the key, backend, expiry, revision: eight little-endian words, a cell without its sequence number. */
export const PIN_RECORD_BYTES = 32;
/** Bytes that one slice has at most. */
const PIN_SLICE_BYTES = 262_144;

export class PinCapture {
  /** Pins at the moment of the capture. */
  readonly count: number;
  readonly #words: Int32Array;
  readonly #closed: (capture: PinCapture) => void;
  /** By segment. */
  readonly #places: Int32Array;
  #blocks: Int32Array[] = [];
  /** Segments set aside so far; their places count from 1. */
  #aside = 0;
  #cancelled = false;

  constructor(words: Int32Array, closed: (capture: PinCapture) => void) {
    this.#words = words;
    this.#closed = closed;
    this.count = words[HEADER.count] ?? 0;
    this.#places = new Int32Array(Math.ceil((words[HEADER.cells] ?? 0) / SEGMENT_CELLS));
  }

  /** To be called before a cell is changed. */
  before(cell: number): void {
    const segment = Math.floor(cell / SEGMENT_CELLS);
    if (this.#places[segment] !== IN_TABLE || this.#cancelled) return;
    const to = this.#aside % BLOCK_SEGMENTS;
    if (to === 0) this.#blocks.push(new Int32Array(BLOCK_SEGMENTS * SEGMENT_WORDS));
    this.#aside += 1;
    this.#places[segment] = this.#aside;
    const from = this.#startOf(segment);
    const source = this.#words.subarray(from, from + SEGMENT_WORDS);
    this.#blocks.at(-1)?.set(source, to * SEGMENT_WORDS);
  }

  /** Nobody will read it any more. */
  cancel(): void {
    this.#cancelled = true;
    this.#blocks = [];
  }

  /** The pins as records, at most `PIN_SLICE_BYTES` at a time. To be read once. */
  *slices(): Generator<Uint8Array> {
    try {
      let out = newSlice();
      let used = 0;
      for (let segment = 0; segment < this.#places.length; segment += 1) {
        if (this.#cancelled) throw new Error('this capture of the pin table was given up for newer ones');
        used = this.#writeSegment(segment, out, used);
        if (used + SEGMENT_CELLS * PIN_RECORD_BYTES <= PIN_SLICE_BYTES) continue;
        yield new Uint8Array(out.buffer, 0, used);
        out = newSlice();
        used = 0;
      }
      if (used > 0) yield new Uint8Array(out.buffer, 0, used);
    } finally {
      this.cancel();
      this.#closed(this);
    }
  }

  #writeSegment(segment: number, out: DataView, from: number): number {
    const place = this.#places[segment] ?? IN_TABLE;
    const isAside = place !== IN_TABLE;
    this.#places[segment] = READ;
    const source = (isAside ? this.#blocks[Math.floor((place - 1) / BLOCK_SEGMENTS)] : this.#words) ?? this.#words;
    const start = isAside ? ((place - 1) % BLOCK_SEGMENTS) * SEGMENT_WORDS : this.#startOf(segment);
    const end = Math.min(start + SEGMENT_WORDS, source.length);
    let to = from;
    for (let at = start; at < end; at += CELL.words) {
      const state = source[at + CELL.state] ?? 0;
      if (state === 0) continue;
      for (let field = 0; field < CELL.words; field += 1, to += 4) {
        out.setInt32(to, field === CELL.state ? backendOf(state) : (source[at + field] ?? 0), true);
      }
    }
    return to;
  }

  /** In words. */
  #startOf(segment: number): number {
    return HEADER.words + segment * SEGMENT_WORDS;
  }
}

/** What `#places` holds of a segment that is neither set aside nor read, and of one that was read. */
const IN_TABLE = 0;
const READ = -1;

function newSlice(): DataView<ArrayBuffer> {
  return new DataView(new ArrayBuffer(PIN_SLICE_BYTES));
}
