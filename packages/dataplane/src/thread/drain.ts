/**
 * Draining one proxy thread: every answer says that it is the last of its connection, connections that stay silent close, and,
 * at the deadline, what is left is ended and counted. New connections are still served while the node's steering moves them away.
 */
import { DRAIN_CLOSE_IDLE_RATIO } from '../listeners/limits.ts';
import type { ListenerSet } from '../listeners/listener-set.ts';
import type { DataplaneContext } from './context.ts';
import type { Timer } from './timers.ts';

/** How often a drain looks whether the last connection is gone. */
const DRAIN_CHECK_MS = 50;

export class Drain {
  readonly #listeners: ListenerSet;
  readonly #context: DataplaneContext;
  readonly #drained: (cutCount: number) => void;
  #timers: Timer[] = [];
  #onStopped: ((cutCount: number) => void) | null = null;
  active = false;

  constructor(listeners: ListenerSet, context: DataplaneContext, drained: (cutCount: number) => void) {
    this.#listeners = listeners;
    this.#context = context;
    this.#drained = drained;
  }

  /** The thread itself is to end. */
  get stopping(): boolean {
    return this.#onStopped !== null;
  }

  /** `onStopped` is called when nothing is left, where the thread is to end then. A later call replaces the deadline. */
  begin(deadlineMs: number, onStopped: ((cutCount: number) => void) | null): void {
    this.#cancel();
    this.active = true;
    this.#onStopped = onStopped ?? this.#onStopped;
    const { timers } = this.#context;
    const check: Timer = timers.after(0, () => {
      if (this.#listeners.connectionCount() === 0) this.#finish(0);
      else timers.restart(check, DRAIN_CHECK_MS);
    });
    const idle = timers.after(deadlineMs * DRAIN_CLOSE_IDLE_RATIO, () => this.#listeners.closeConnections());
    const deadline = timers.after(deadlineMs, () => this.#finish(this.#listeners.destroyConnections()));
    this.#timers = [check, idle, deadline];
  }

  undo(): void {
    if (this.stopping) return;
    this.#cancel();
    this.active = false;
  }

  #finish(cutCount: number): void {
    this.#cancel();
    this.#drained(cutCount);
    this.#onStopped?.(cutCount);
  }

  #cancel(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
  }
}
