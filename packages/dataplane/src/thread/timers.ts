/**
 * A hashed timer wheel for the request path: one interval for all timeouts of a thread, no allocation to restart one.
 *
 * Coarse on purpose: a timer fires up to one tick late, never early. Restarting it later only moves the deadline; the entry
 * is put into its new slot when the wheel comes by its old one. So keep one timer per purpose (one for idle, one for the
 * head …): each then only ever moves later, which is free.
 */

const TICK_MS = 20;
const SLOT_COUNT = 512;

export class Timer {
  /** Infinity: cancelled. */
  deadlineMs: number;
  readonly callback: () => void;
  /** Tick of the slot that holds it; Infinity: in no slot. */
  queuedTick = Infinity;

  constructor(deadlineMs: number, callback: () => void) {
    this.deadlineMs = deadlineMs;
    this.callback = callback;
  }

  cancel(): void {
    this.deadlineMs = Infinity;
  }
}

export class Timers {
  readonly #slots: Timer[][] = Array.from({ length: SLOT_COUNT }, () => []);
  readonly #now: () => number;
  #interval: NodeJS.Timeout | null = null;
  #tick: number;
  #nowMs: number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#nowMs = now();
    this.#tick = Math.floor(this.#nowMs / TICK_MS);
  }

  /** Time of the last tick: up to one tick old, free of charge. */
  get nowMs(): number {
    return this.#nowMs;
  }

  start(): void {
    if (this.#interval !== null) return;
    this.#interval = setInterval(() => this.advance(), TICK_MS);
    this.#interval.unref();
  }

  close(): void {
    if (this.#interval !== null) clearInterval(this.#interval);
    this.#interval = null;
    for (const slot of this.#slots) slot.length = 0;
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer = new Timer(this.#now() + delayMs, callback);
    this.#put(timer);
    return timer;
  }

  /** Gives a timer (running, fired or cancelled) a new deadline. */
  restart(timer: Timer, delayMs: number): void {
    timer.deadlineMs = this.#now() + delayMs;
    // In a slot that comes no later than needed: the wheel finds it there and moves it on.
    if (timer.queuedTick * TICK_MS <= timer.deadlineMs) return;
    if (timer.queuedTick !== Infinity) this.#unqueue(timer);
    this.#put(timer);
  }

  /** Runs what is due. The interval calls it; tests call it with a clock of their own. */
  advance(): void {
    this.#nowMs = this.#now();
    const target = Math.floor(this.#nowMs / TICK_MS);
    // After a pause longer than a turn of the wheel one full turn visits every slot.
    let tick = Math.max(this.#tick, target - SLOT_COUNT);
    for (; tick < target; tick++) {
      // First, so that what the callbacks put is never put into the slot that is being emptied.
      this.#tick = tick + 1;
      this.#runSlot(tick);
    }
  }

  #put(timer: Timer): void {
    timer.queuedTick = Math.max(Math.floor(timer.deadlineMs / TICK_MS), this.#tick);
    this.#slot(timer.queuedTick).push(timer);
  }

  #unqueue(timer: Timer): void {
    const slot = this.#slot(timer.queuedTick);
    const at = slot.indexOf(timer);
    if (at >= 0) slot.splice(at, 1);
  }

  #slot(tick: number): Timer[] {
    return this.#slots[tick % SLOT_COUNT] as Timer[];
  }

  #runSlot(tick: number): void {
    const index = tick % SLOT_COUNT;
    const due = this.#slots[index] as Timer[];
    if (due.length === 0) return;
    this.#slots[index] = [];
    for (const timer of due) {
      timer.queuedTick = Infinity;
      if (timer.deadlineMs === Infinity) continue;
      if (timer.deadlineMs <= this.#nowMs) {
        timer.deadlineMs = Infinity;
        timer.callback();
      } else {
        this.#put(timer);
      }
    }
  }
}
