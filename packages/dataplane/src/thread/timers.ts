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
  slot: Timer[] | null = null;
  position = 0;

  constructor(deadlineMs: number, callback: () => void) {
    this.deadlineMs = deadlineMs;
    this.callback = callback;
  }

  /** It leaves its slot at once: what its callback refers to may be a whole connection. */
  cancel(): void {
    this.deadlineMs = Infinity;
    this.leaveSlot();
  }

  /** Its slot is gone. */
  forget(): void {
    this.queuedTick = Infinity;
    this.slot = null;
  }

  leaveSlot(): void {
    const { slot } = this;
    this.forget();
    if (slot === null) return;
    const last = slot.pop() as Timer;
    if (last === this) return;
    slot[this.position] = last;
    last.position = this.position;
  }
}

export class Timers {
  readonly #slots: Timer[][] = Array.from({ length: SLOT_COUNT }, () => []);
  readonly #now: () => number;
  readonly #late: (delayMs: number) => void;
  #interval: NodeJS.Timeout | null = null;
  #tick: number;
  #nowMs: number;

  /** `late` is told at every turn by how much it came too late. */
  constructor(now: () => number = () => performance.now(), late: (delayMs: number) => void = () => {}) {
    this.#now = now;
    this.#late = late;
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
    for (const slot of this.#slots) for (const timer of slot.splice(0)) timer.forget();
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
    timer.leaveSlot();
    this.#put(timer);
  }

  /** Runs what is due. The interval calls it; tests call it with a clock of their own. */
  advance(): void {
    const beforeMs = this.#nowMs;
    this.#nowMs = this.#now();
    this.#late(Math.max(0, this.#nowMs - beforeMs - TICK_MS));
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
    const slot = this.#slots[timer.queuedTick % SLOT_COUNT] as Timer[];
    timer.slot = slot;
    timer.position = slot.length;
    slot.push(timer);
  }

  #runSlot(tick: number): void {
    const index = tick % SLOT_COUNT;
    const due = this.#slots[index] as Timer[];
    if (due.length === 0) return;
    this.#slots[index] = [];
    // From its end, as whoever is cancelled meanwhile leaves it.
    for (let timer = due.at(-1); timer !== undefined; timer = due.at(-1)) {
      timer.leaveSlot();
      if (timer.deadlineMs <= this.#nowMs) {
        timer.deadlineMs = Infinity;
        timer.callback();
      } else {
        this.#put(timer);
      }
    }
  }
}
