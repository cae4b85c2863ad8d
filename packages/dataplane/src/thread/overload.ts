/**
 * Sees that a thread is behind, and says how much of the new work to refuse, so that the rest is served in time.
 *
 * The measure is the delay of the event loop, judged as CoDel judges a queue (RFC 8289): by the least of the last few delays. A
 * pause, however long, is one delay and sheds nothing; only a loop that stays late for several turns in a row has more work than time.
 */

/** Delays that must all be long. */
const WINDOW_COUNT = 5;
/** From here on some work is refused: well above what a machine that others keep busy does to a thread, well below what clients bear … */
const SHED_FROM_MS = 2_000;
/** … and from here on all of it. */
const SHED_ALL_MS = 10_000;

export class Overload {
  readonly #delaysMs: number[] = new Array<number>(WINDOW_COUNT).fill(0);
  #at = 0;
  #shedRatio = 0;

  /** 0 to 1. */
  get shedRatio(): number {
    return this.#shedRatio;
  }

  /** `delayMs`: how late the latest turn of the loop came. */
  note(delayMs: number): void {
    this.#delaysMs[this.#at] = delayMs;
    this.#at = (this.#at + 1) % WINDOW_COUNT;
    if (delayMs <= SHED_FROM_MS && this.#shedRatio === 0) return;
    const least = Math.min(...this.#delaysMs);
    this.#shedRatio = Math.min(1, Math.max(0, (least - SHED_FROM_MS) / (SHED_ALL_MS - SHED_FROM_MS)));
  }
}
