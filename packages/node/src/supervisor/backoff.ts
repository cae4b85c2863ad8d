/**
 * How long to wait before a crashed thread is started again: doubling from the shortest pause, and from there again after
 * a thread that lived long enough.
 */
import { RESTART_BACKOFF_MAX_MS, RESTART_BACKOFF_MIN_MS, RESTART_HEALTHY_AFTER_MS } from '../limits.ts';

export class Backoff {
  #pauseMs = RESTART_BACKOFF_MIN_MS;

  /** The pause after a thread that lived for `livedMs`. */
  next(livedMs: number): number {
    if (livedMs >= RESTART_HEALTHY_AFTER_MS) this.#pauseMs = RESTART_BACKOFF_MIN_MS;
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(RESTART_BACKOFF_MAX_MS, pauseMs * 2);
    return pauseMs;
  }
}
