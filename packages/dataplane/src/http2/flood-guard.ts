/**
 * How much a peer may make us do for nothing: frames that carry no work, and streams that are reset before they are answered, by
 * the peer or by us for what it did (CVE-2019-9512 and its siblings, CVE-2023-44487, CVE-2025-8671). Token buckets, refilled by time and, for control frames, by real messages.
 */
import {
  CONTROL_BURST_COUNT,
  CONTROL_PER_MESSAGE_COUNT,
  CONTROL_PER_SECOND_COUNT,
  RESET_BURST_COUNT,
  RESET_PER_SECOND_COUNT,
} from './limits.ts';

const SECOND_MS = 1_000;

export class FloodGuard {
  readonly #now: () => number;
  #sinceMs: number;
  #control = CONTROL_BURST_COUNT;
  #resets = RESET_BURST_COUNT;

  constructor(now: () => number) {
    this.#now = now;
    this.#sinceMs = now();
  }

  /** A frame without work of its own. False: too many. */
  control(): boolean {
    if (--this.#control >= 0) return true;
    this.#refill();
    return this.#control >= 0;
  }

  /** A stream that the peer took back, or made us take back. False: too many. */
  reset(): boolean {
    if (--this.#resets >= 0) return true;
    this.#refill();
    return this.#resets >= 0;
  }

  /** A message, or a part of one with content. */
  message(): void {
    this.#control = Math.min(CONTROL_BURST_COUNT, this.#control + CONTROL_PER_MESSAGE_COUNT);
  }

  #refill(): void {
    const nowMs = this.#now();
    const seconds = (nowMs - this.#sinceMs) / SECOND_MS;
    this.#sinceMs = nowMs;
    this.#control = Math.min(CONTROL_BURST_COUNT, this.#control + seconds * CONTROL_PER_SECOND_COUNT);
    this.#resets = Math.min(RESET_BURST_COUNT, this.#resets + seconds * RESET_PER_SECOND_COUNT);
  }
}
