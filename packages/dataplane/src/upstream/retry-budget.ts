/**
 * How many requests of a pool may be tried again: a share of its recent requests, and a few in any case.
 *
 * Without it retries multiply the load on a pool that is already failing. One per pool and proxy thread.
 */
import { RETRY_BUDGET_WINDOW_MS } from '../limits.ts';

export class RetryBudget {
  #requests = 0;
  #retries = 0;
  #previousRequests = 0;
  #previousRetries = 0;
  #windowEndMs = 0;

  request(nowMs: number): void {
    if (nowMs >= this.#windowEndMs) this.#turn(nowMs);
    this.#requests++;
  }

  /** True, and counted, where one more is allowed. */
  tryRetry(nowMs: number, ratio: number, minCount: number): boolean {
    if (nowMs >= this.#windowEndMs) this.#turn(nowMs);
    const requests = this.#requests + this.#previousRequests;
    const retries = this.#retries + this.#previousRetries;
    if (retries >= Math.max(minCount, requests * ratio)) return false;
    this.#retries++;
    return true;
  }

  #turn(nowMs: number): void {
    // A pool without a request for a whole window starts afresh.
    const rested = nowMs >= this.#windowEndMs + RETRY_BUDGET_WINDOW_MS;
    this.#previousRequests = rested ? 0 : this.#requests;
    this.#previousRetries = rested ? 0 : this.#retries;
    this.#requests = 0;
    this.#retries = 0;
    this.#windowEndMs = nowMs + RETRY_BUDGET_WINDOW_MS;
  }
}
