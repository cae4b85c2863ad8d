/**
 * Requests that wait because their backend takes no more: bounded in number and in time, first come, first served.
 */
import type { UpstreamSpec } from '@flotilla/shared';
import type { BackendRuntime } from '../config/table.ts';
import { FAULT } from '../http1/faults.ts';
import { PENDING_DEFAULT_MAX_COUNT, UPSTREAM_SWEEP_MS } from '../limits.ts';
import type { Timers } from '../thread/timers.ts';
import type { UpstreamUser } from './user.ts';

interface Waiting {
  readonly user: UpstreamUser;
  readonly deadlineMs: number;
}

export interface QueueSurroundings {
  readonly runtime: BackendRuntime;
  readonly timers: Timers;
  /** Gives a connection to a user whose turn it is. */
  serve(user: UpstreamUser): void;
}

export class WaitingQueue {
  spec: UpstreamSpec;
  readonly #around: QueueSurroundings;
  readonly #waiting: Waiting[] = [];
  #sweeping = false;

  constructor(spec: UpstreamSpec, around: QueueSurroundings) {
    this.spec = spec;
    this.#around = around;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** Whether the backend takes one more now; else the user waits, or was refused and told so. */
  admits(user: UpstreamUser): boolean {
    if (this.#hasRoom()) return true;
    const max = this.spec.maxPending === 0 ? PENDING_DEFAULT_MAX_COUNT : this.spec.maxPending;
    if (this.#waiting.length >= max) {
      user.connectFailed(FAULT.queueFull);
      return false;
    }
    this.#waiting.push({ user, deadlineMs: this.#around.timers.nowMs + this.spec.queueTimeoutMs });
    this.#sweepSoon();
    return false;
  }

  cancel(user: UpstreamUser): void {
    const at = this.#waiting.findIndex((waiting) => waiting.user === user);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  /** Something was given back. */
  serve(): void {
    while (this.#waiting.length > 0 && this.#hasRoom()) this.#around.serve((this.#waiting.shift() as Waiting).user);
  }

  #hasRoom(): boolean {
    const { maxConnections } = this.spec;
    return maxConnections === 0 || this.#around.runtime.inFlight() < maxConnections;
  }

  /** One timer for all, and only while somebody waits. */
  #sweepSoon(): void {
    if (this.#sweeping) return;
    this.#sweeping = true;
    this.#around.timers.after(Math.min(UPSTREAM_SWEEP_MS, this.spec.queueTimeoutMs), () => this.#sweep());
  }

  #sweep(): void {
    this.#sweeping = false;
    // Other threads of the node may have given slots back.
    this.serve();
    const { nowMs } = this.#around.timers;
    while (this.#waiting.length > 0 && (this.#waiting[0] as Waiting).deadlineMs <= nowMs)
      (this.#waiting.shift() as Waiting).user.connectFailed(FAULT.queueTimeout);
    if (this.#waiting.length > 0) this.#sweepSoon();
  }
}
