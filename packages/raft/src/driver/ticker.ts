/**
 * The timer that drives a node; there is never more than one pending. It notices when the event loop stalled and says so
 * before it says that time has passed, and it reports time one `immediate` later, so that heartbeats which already wait in
 * the sockets are read first (otherwise a 300 ms stall starts an election against a healthy leader).
 */
import { HOUSEKEEPING_EVERY_MS } from './limits.ts';
import type { Clock, TimerHandle } from './ports.ts';

export interface TickerHandlers {
  /** The loop was held for `gapMs` longer than asked. */
  readonly onStall: (gapMs: number) => void;
  /** The core asked to be woken by now. */
  readonly onTime: () => void;
  /** Deadlines, retries, disk: at least every HOUSEKEEPING_EVERY_MS. */
  readonly onHousekeeping: () => void;
}

export class Ticker {
  readonly #clock: Clock;
  readonly #handlers: TickerHandlers;
  readonly #stallMs: number;
  #timer: TimerHandle | null = null;
  /** When the pending timer is due. */
  #dueMs = 0;
  #wakeAtMs = Infinity;
  #housekeepingAtMs = 0;
  #running = false;

  constructor(clock: Clock, stallMs: number, handlers: TickerHandlers) {
    this.#clock = clock;
    this.#stallMs = stallMs;
    this.#handlers = handlers;
  }

  start(): void {
    this.#running = true;
    this.#housekeepingAtMs = this.#clock.nowMs() + HOUSEKEEPING_EVERY_MS;
    this.#arm();
  }

  stop(): void {
    this.#running = false;
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** The core wants to be woken at this time; the newest wish counts. A pending timer that is early enough is kept. */
  wakeAt(atMs: number): void {
    this.#wakeAtMs = atMs;
    if (!this.#running || this.#timer === null || atMs >= this.#dueMs) return;
    this.#timer.cancel();
    this.#arm();
  }

  #arm(): void {
    this.#dueMs = Math.max(Math.min(this.#wakeAtMs, this.#housekeepingAtMs), this.#clock.nowMs());
    this.#timer = this.#clock.setTimer(this.#dueMs, () => this.#fired());
  }

  #fired(): void {
    this.#timer = null;
    const gapMs = this.#clock.nowMs() - this.#dueMs;
    this.#clock.immediate(() => {
      if (!this.#running) return;
      if (gapMs > this.#stallMs) this.#handlers.onStall(gapMs);
      const nowMs = this.#clock.nowMs();
      if (this.#wakeAtMs <= nowMs) {
        this.#wakeAtMs = Infinity;
        this.#handlers.onTime();
      }
      if (this.#housekeepingAtMs <= nowMs) {
        this.#housekeepingAtMs = nowMs + HOUSEKEEPING_EVERY_MS;
        this.#handlers.onHousekeeping();
      }
      if (this.#running && this.#timer === null) this.#arm();
    });
  }
}
