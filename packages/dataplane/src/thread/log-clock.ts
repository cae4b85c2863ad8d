/** Replicated time on a proxy thread: as of the last message from the control thread, carried on by the monotonic clock. */

export class LogClock {
  readonly #now: () => number;
  #logTimeMs = 0;
  #atMs = 0;

  constructor(now: () => number) {
    this.#now = now;
    this.#atMs = now();
  }

  /** Never moves back: a message that was long under way does not undo the time since. */
  set(logTimeMs: number): void {
    const carriedMs = this.nowMs();
    this.#logTimeMs = this.#logTimeMs === 0 ? logTimeMs : Math.max(logTimeMs, carriedMs);
    this.#atMs = this.#now();
  }

  nowMs(): number {
    return this.#logTimeMs + (this.#now() - this.#atMs);
  }
}
