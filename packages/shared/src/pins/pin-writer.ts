/**
 * Writes the pin table: the one thread that applies the log. Linear probing; a removal moves later cells back into the gap,
 * so that probes stay short for ever and no tombstones pile up (Knuth, vol. 3, 6.4, algorithm R).
 */
import { CELL, FILL_MAX_RATIO, HEADER, bytesFor, cellsFor, hashWords, homeCell } from './layout.ts';
import type { PinKey } from './layout.ts';
import { sameKey } from './pin-reader.ts';

export interface StoredPin {
  readonly pool: number;
  readonly words: Int32Array;
  readonly backend: number;
  readonly expiresS: number;
  readonly revision: number;
}

export class PinWriter {
  readonly memory: SharedArrayBuffer;
  readonly cells: number;
  readonly #words: Int32Array;
  readonly #scratch = { words: new Int32Array(4), pool: 0 };
  readonly #countMax: number;

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
    const used = Atomics.load(words, at + CELL.seq) !== 0;
    if (!used && this.count >= this.#countMax) return false;
    this.#write(at, { pool: key.pool, words: key.words, ...pin });
    if (!used) Atomics.add(words, HEADER.count, 1);
    return true;
  }

  /** The pin, expired or not; null where there is none. Only for the writing thread. */
  get(key: PinKey): StoredPin | null {
    const at = this.#position(key);
    return this.#words[at + CELL.seq] === 0 ? null : this.#read(at);
  }

  delete(key: PinKey): boolean {
    const at = this.#position(key);
    if (this.#words[at + CELL.seq] === 0) return false;
    this.#deleteAt(at);
    return true;
  }

  /**
   * Removes the pins for which `gone` holds among the next `cellCount` cells from `cursor`; returns where to go on, 0 at the end.
   * Bounded, so that a sweep of a full table never blocks the thread for long. Each removed pin is given to `removed`.
   */
  sweep(
    cursor: number,
    cellCount: number,
    gone: (pin: StoredPin) => boolean,
    removed: (pin: StoredPin) => void,
  ): number {
    let cell = cursor;
    const end = Math.min(this.cells, cursor + cellCount);
    while (cell < end) {
      const at = this.#at(cell);
      if (this.#words[at + CELL.seq] !== 0) {
        const pin = this.#read(at);
        if (gone(pin)) {
          this.#deleteAt(at);
          removed(pin);
          // Another pin may have moved into this very cell.
          continue;
        }
      }
      cell += 1;
    }
    return cell >= this.cells ? 0 : cell;
  }

  /** Pins from `cursor` (a cell number) on, at most `limit`; `next` is 0 at the end. */
  page(cursor: number, limit: number, wanted: (pin: StoredPin) => boolean): { pins: StoredPin[]; next: number } {
    const pins: StoredPin[] = [];
    for (let cell = cursor; cell < this.cells; cell += 1) {
      const at = this.#at(cell);
      if (this.#words[at + CELL.seq] === 0) continue;
      const pin = this.#read(at);
      if (!wanted(pin)) continue;
      if (pins.length === limit) return { pins, next: cell };
      pins.push(pin);
    }
    return { pins, next: 0 };
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
      if (words[at + CELL.seq] === 0 || sameKey(words, at, key)) return at;
      cell = cell + 1 === this.cells ? 0 : cell + 1;
    }
  }

  #read(at: number): StoredPin {
    const words = this.#words;
    return {
      pool: words[at + CELL.pool] ?? 0,
      words: words.slice(at + CELL.key, at + CELL.key + 4),
      backend: words[at + CELL.backend] ?? 0,
      expiresS: (words[at + CELL.expiresS] ?? 0) >>> 0,
      revision: (words[at + CELL.revision] ?? 0) >>> 0,
    };
  }

  #write(at: number, pin: StoredPin): void {
    const words = this.#words;
    const seq = Atomics.load(words, at + CELL.seq);
    // Wraps to 2, never to 0: 0 means empty.
    const next = seq >= 0x7ffffff0 ? 2 : seq + 2;
    Atomics.store(words, at + CELL.seq, next - 1);
    Atomics.store(words, at + CELL.pool, pin.pool);
    for (let word = 0; word < 4; word += 1) Atomics.store(words, at + CELL.key + word, pin.words[word] ?? 0);
    Atomics.store(words, at + CELL.backend, pin.backend);
    Atomics.store(words, at + CELL.expiresS, pin.expiresS | 0);
    Atomics.store(words, at + CELL.revision, pin.revision | 0);
    Atomics.store(words, at + CELL.seq, next);
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
      if (words[from + CELL.seq] === 0) break;
      if (this.#staysBehind(gap, cell)) continue;
      this.#write(this.#at(gap), this.#read(from));
      gap = cell;
    }
    Atomics.store(words, this.#at(gap) + CELL.seq, 0);
    Atomics.sub(words, HEADER.count, 1);
    Atomics.add(words, HEADER.moves, 1);
  }

  /** Does the pin in `cell` have its home after `gap`, on the way round? Then moving it before its home would lose it. */
  #staysBehind(gap: number, cell: number): boolean {
    const at = this.#at(cell);
    for (let word = 0; word < 4; word += 1) this.#scratch.words[word] = this.#words[at + CELL.key + word] ?? 0;
    this.#scratch.pool = this.#words[at + CELL.pool] ?? 0;
    const home = homeCell(hashWords(this.#scratch), this.cells);
    return gap <= cell ? gap < home && home <= cell : gap < home || home <= cell;
  }
}
