/**
 * Writes the pin table: the one thread that applies the log. Linear probing; a removal moves later cells back into the gap,
 * so that probes stay short for ever and no tombstones pile up (Knuth, vol. 3, 6.4, algorithm R).
 */
import {
  backendOf,
  bytesFor,
  CELL,
  cellsFor,
  cellState,
  FILL_MAX_RATIO,
  hashWords,
  HEADER,
  homeCell,
  nextSeq,
  seqOf,
} from './layout.ts';
import type { PinKey } from './layout.ts';
import { PinCapture } from './pin-capture.ts';
import { sameKey } from './pin-reader.ts';

export interface StoredPin {
  readonly pool: number;
  readonly words: Int32Array;
  readonly backend: number;
  readonly expiresS: number;
  readonly revision: number;
}

/** Captures that may be unread at the same time. */
const CAPTURES_MAX = 4;

export class PinWriter {
  readonly memory: SharedArrayBuffer;
  readonly cells: number;
  readonly #words: Int32Array;
  readonly #scratch = { words: new Int32Array(4), pool: 0, backend: 0, expiresS: 0, revision: 0 };
  readonly #moving = { words: new Int32Array(4), pool: 0 };
  readonly #countMax: number;
  #captures: PinCapture[] = [];

  /** An empty table for `pinsMax` pins. */
  constructor(pinsMax: number) {
    this.cells = cellsFor(pinsMax);
    this.memory = new SharedArrayBuffer(bytesFor(this.cells));
    this.#words = new Int32Array(this.memory);
    this.#words[HEADER.cells] = this.cells;
    this.#countMax = Math.floor(this.cells * FILL_MAX_RATIO);
  }

  get count(): number {
    return this.#words[HEADER.count] ?? 0;
  }

  /** Sets or replaces; false where the table is full. */
  set(key: PinKey, pin: { readonly backend: number; readonly expiresS: number; readonly revision: number }): boolean {
    const words = this.#words;
    const at = this.#position(key);
    const used = words[at + CELL.state] !== 0;
    if (!used && this.count >= this.#countMax) return false;
    const seq = this.#begin(at);
    if (!used) {
      Atomics.store(words, at + CELL.pool, key.pool);
      for (let word = 0; word < 4; word += 1) Atomics.store(words, at + CELL.key + word, key.words[word] ?? 0);
      Atomics.add(words, HEADER.count, 1);
    }
    Atomics.store(words, at + CELL.expiresS, pin.expiresS | 0);
    Atomics.store(words, at + CELL.revision, pin.revision | 0);
    Atomics.store(words, at + CELL.state, cellState(nextSeq(seq), pin.backend));
    return true;
  }

  /** The pin, expired or not; null where there is none. Only for the writing thread. The object is reused. */
  get(key: PinKey): StoredPin | null {
    const at = this.#position(key);
    return this.#words[at + CELL.state] === 0 ? null : this.#load(at);
  }

  delete(key: PinKey): boolean {
    const at = this.#position(key);
    if (this.#words[at + CELL.state] === 0) return false;
    this.#deleteAt(at);
    return true;
  }

  /**
   * Visits the pins whose hash is in [`from`, `to`), up to 2^32, and removes those for which `visit` answers true. Pins stand
   * in the order of their hashes, so a range costs its share of the table; which pins it has does not depend on where in the
   * table they happen to be. The object given to `visit` is reused.
   */
  scan(from: number, to: number, visit: (pin: StoredPin, hash: number) => boolean): number {
    const first = homeCell(from, this.cells);
    const inRange = homeCell(to - 1, this.cells) - first + 1;
    let removed = 0;
    let cell = first;
    for (let steps = 0; steps < this.cells; ) {
      const at = this.#at(cell);
      const used = this.#words[at + CELL.state] !== 0;
      // Beyond the range stand only those that found their place taken: until the first gap.
      if (!used && steps >= inRange) break;
      if (used) {
        const hash = hashWords(this.#load(at));
        if (hash >= from && hash < to && visit(this.#scratch, hash)) {
          this.#deleteAt(at);
          removed += 1;
          // Another pin may have moved into this very cell.
          continue;
        }
      }
      cell = cell + 1 === this.cells ? 0 : cell + 1;
      steps += 1;
    }
    return removed;
  }

  /** The table as it is now, to be read later. More than `CAPTURES_MAX` unread ones: the oldest is given up. */
  capture(): PinCapture {
    const capture = new PinCapture(this.#words, (done) => {
      this.#captures = this.#captures.filter((each) => each !== done);
    });
    this.#captures.push(capture);
    if (this.#captures.length > CAPTURES_MAX) this.#captures.shift()?.cancel();
    return capture;
  }

  #at(cell: number): number {
    return HEADER.words + cell * CELL.words;
  }

  /** Position of the key's cell, or of the empty one where it would go. */
  #position(key: PinKey): number {
    const words = this.#words;
    let cell = homeCell(key.hash, this.cells);
    for (;;) {
      const at = this.#at(cell);
      if (words[at + CELL.state] === 0 || sameKey(words, at, key)) return at;
      cell = cell + 1 === this.cells ? 0 : cell + 1;
    }
  }

  /** Into the scratch object, which is reused: whoever keeps a pin copies it. */
  #load(at: number): StoredPin {
    const words = this.#words;
    const pin = this.#scratch;
    pin.pool = words[at + CELL.pool] ?? 0;
    for (let word = 0; word < 4; word += 1) pin.words[word] = words[at + CELL.key + word] ?? 0;
    pin.backend = backendOf(words[at + CELL.state] ?? 0);
    pin.expiresS = (words[at + CELL.expiresS] ?? 0) >>> 0;
    pin.revision = (words[at + CELL.revision] ?? 0) >>> 0;
    return pin;
  }

  /** Marks a cell as being written; answers its odd number. */
  #begin(at: number): number {
    this.#setAside(at);
    const state = this.#words[at + CELL.state] ?? 0;
    const seq = nextSeq(seqOf(state));
    Atomics.store(this.#words, at + CELL.state, cellState(seq, backendOf(state)));
    return seq;
  }

  #setAside(at: number): void {
    for (const capture of this.#captures) capture.before((at - HEADER.words) / CELL.words);
  }

  /** From one cell to another. */
  #move(from: number, to: number): void {
    const seq = this.#begin(to);
    const words = this.#words;
    for (let field = 0; field < CELL.words; field += 1) {
      if (field !== CELL.state) Atomics.store(words, to + field, words[from + field] ?? 0);
    }
    Atomics.store(words, to + CELL.state, cellState(nextSeq(seq), backendOf(words[from + CELL.state] ?? 0)));
  }

  /** Closes the gap: every later cell of the run that may stand here moves here. Readers that miss meanwhile look again. */
  #deleteAt(at: number): void {
    const words = this.#words;
    Atomics.add(words, HEADER.moves, 1);
    let gap = (at - HEADER.words) / CELL.words;
    let cell = gap;
    for (;;) {
      cell = cell + 1 === this.cells ? 0 : cell + 1;
      const from = this.#at(cell);
      if (words[from + CELL.state] === 0) break;
      if (this.#staysBehind(gap, cell)) continue;
      this.#move(from, this.#at(gap));
      gap = cell;
    }
    this.#setAside(this.#at(gap));
    Atomics.store(words, this.#at(gap) + CELL.state, 0);
    Atomics.sub(words, HEADER.count, 1);
    Atomics.add(words, HEADER.moves, 1);
  }

  /** Does the pin in `cell` have its home after `gap`, on the way round? Then moving it before its home would lose it. */
  #staysBehind(gap: number, cell: number): boolean {
    const at = this.#at(cell);
    for (let word = 0; word < 4; word += 1) this.#moving.words[word] = this.#words[at + CELL.key + word] ?? 0;
    this.#moving.pool = this.#words[at + CELL.pool] ?? 0;
    const home = homeCell(hashWords(this.#moving), this.cells);
    return gap <= cell ? gap < home && home <= cell : gap < home || home <= cell;
  }
}
