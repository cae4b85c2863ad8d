/**
 * Virtual time: a heap of events, taken in order of time and, at equal times, of their making. Time jumps from event to
 * event; nothing waits. The world knows no nodes.
 */

/** What an event does. A promise is awaited before the next event is taken. */
export type Action = () => void | Promise<void>;

interface Scheduled {
  readonly atMs: number;
  readonly order: number;
  run: Action | null;
}

export interface Cancellable {
  cancel(): void;
}

/** Lets every promise that can go on go on: only microtasks are waited for, since nothing in a simulation does real I/O. */
export function drained(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export class World {
  nowMs = 0;
  /** Events taken so far. */
  steps = 0;
  /** The run stops after so many: something goes round in circles. */
  maxSteps = Infinity;
  /** Why the run is over before its time; null while it goes on. */
  stopped: string | null = null;
  readonly #heap: Scheduled[] = [];
  #order = 0;

  at(atMs: number, run: Action): Cancellable {
    const event: Scheduled = { atMs: Math.max(atMs, this.nowMs), order: this.#order++, run };
    push(this.#heap, event);
    return {
      cancel: () => {
        event.run = null;
      },
    };
  }

  after(delayMs: number, run: Action): Cancellable {
    return this.at(this.nowMs + delayMs, run);
  }

  stop(reason: string): void {
    this.stopped ??= reason;
  }

  /** Takes events up to this time, or until `isDone` says so or the run is stopped. */
  async runUntil(untilMs: number, isDone: () => boolean = () => false): Promise<void> {
    while (this.stopped === null) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      pop(this.#heap);
      if (next.run === null) continue;
      this.nowMs = next.atMs;
      this.steps += 1;
      if (this.steps > this.maxSteps) this.stop('exhausted');
      const result = next.run();
      if (result !== undefined) await result;
      if (isDone()) return;
    }
    if (this.stopped === null) this.nowMs = Math.max(this.nowMs, untilMs);
  }
}

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function push(heap: Scheduled[], event: Scheduled): void {
  let at = heap.length;
  heap.push(event);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent] as Scheduled;
    if (!isBefore(event, above)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = event;
}

/** Takes off the first. */
function pop(heap: Scheduled[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    const right = heap[child + 1];
    if (right !== undefined && isBefore(right, heap[child] as Scheduled)) child += 1;
    const below = heap[child] as Scheduled;
    if (!isBefore(below, last)) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = last;
}
