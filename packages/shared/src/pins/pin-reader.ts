/**
 * Reads the pin table from any thread, without a lock and without waiting for the writer.
 *
 * Each cell carries a sequence number (a seqlock, Lameter 2005): read it, read the cell, read it again; odd or changed means
 * torn, read again. What was found or missed counts only if no cell was emptied or changed its place meanwhile.
 */
import { backendOf, CELL, encodeKey, HEADER, homeCell, newPinKey, seqOf } from './layout.ts';
import type { PinKey } from './layout.ts';

/** Tries at full speed before a reader lets go of its processor: the writer may have lost its own in mid-write. */
const SPINS_MAX = 1_000;

/**
 * Waits of one millisecond before a reader takes the writer for dead, once: a writer that died in mid-write must not hang
 * requests. One that merely lost its processor on a busy machine is back by then, and nobody's session is missed.
 */
const WRITER_PATIENCE_MS = 200;

/** Tries at a torn cell of a dead writer. */
const SPINS_DEAD_MAX = 16;

export interface FoundPin {
  backend: number;
  expiresS: number;
  revision: number;
}

export class PinReader {
  readonly #words: Int32Array;
  readonly #cells: number;
  readonly #key: PinKey = newPinKey();
  readonly #found: FoundPin = { backend: 0, expiresS: 0, revision: 0 };
  /** Where the moves stood when the writer was taken for dead; null: it is not. No number would do: the count wraps. */
  #givenUpAt: number | null = null;
  readonly #triesMax: number;

  constructor(memory: SharedArrayBuffer, writerPatienceMs = WRITER_PATIENCE_MS) {
    this.#words = new Int32Array(memory);
    this.#triesMax = SPINS_MAX + writerPatienceMs;
    this.#cells = this.#words[HEADER.cells] ?? 0;
  }

  get count(): number {
    return Atomics.load(this.#words, HEADER.count);
  }

  /** The pin of (pool, key), or null. `nowS`: log time in seconds. The object is reused by the next call. */
  get(pool: string, key: string, nowS: number): FoundPin | null {
    encodeKey(pool, key, this.#key);
    return this.find(this.#key, nowS);
  }

  find(key: PinKey, nowS: number): FoundPin | null {
    const words = this.#words;
    for (let tries = 0; tries < this.#triesMax; tries += 1) {
      const moves = Atomics.load(words, HEADER.moves);
      if (moves === this.#givenUpAt) return this.#findAnyhow(key, nowS);
      if (tries >= SPINS_MAX) Atomics.wait(words, HEADER.moves, moves, 1);
      if (moves % 2 !== 0) continue;
      const at = this.#locate(key);
      // Also after a find: a cell that was emptied and filled anew meanwhile may carry the same number again.
      if (at === -2 || Atomics.load(words, HEADER.moves) !== moves) continue;
      return at !== -1 && this.#found.expiresS > nowS ? this.#found : null;
    }
    this.#givenUpAt = Atomics.load(words, HEADER.moves);
    return this.#findAnyhow(key, nowS);
  }

  /** The writer is dead until it moves again: what stands in whole cells still holds, and nobody is waited for. */
  #findAnyhow(key: PinKey, nowS: number): FoundPin | null {
    for (let tries = 0; tries < SPINS_DEAD_MAX; tries += 1) {
      const at = this.#locate(key);
      if (at !== -2) return at !== -1 && this.#found.expiresS > nowS ? this.#found : null;
    }
    return null;
  }

  /** Position of the key's cell with `#found` filled; -1 not there; -2 torn, look again. */
  #locate(key: PinKey): number {
    const words = this.#words;
    let cell = homeCell(key.hash, this.#cells);
    for (let probes = 0; probes < this.#cells; probes += 1) {
      const at = HEADER.words + cell * CELL.words;
      const state = Atomics.load(words, at + CELL.state);
      const seq = seqOf(state);
      if (seq === 0) return -1;
      if (seq % 2 !== 0) return -2;
      const same = sameKey(words, at, key);
      if (same) {
        this.#found.backend = backendOf(state);
        this.#found.expiresS = Atomics.load(words, at + CELL.expiresS) >>> 0;
        this.#found.revision = Atomics.load(words, at + CELL.revision) >>> 0;
      }
      if (Atomics.load(words, at + CELL.state) !== state) return -2;
      if (same) return at;
      cell = cell + 1 === this.#cells ? 0 : cell + 1;
    }
    return -1;
  }
}

/** Atomic loads keep their order: a plain load could be moved past the check of the sequence number. */
export function sameKey(words: Int32Array, at: number, key: PinKey): boolean {
  if (Atomics.load(words, at + CELL.pool) !== key.pool) return false;
  for (let word = 0; word < 4; word += 1) {
    if (Atomics.load(words, at + CELL.key + word) !== key.words[word]) return false;
  }
  return true;
}
