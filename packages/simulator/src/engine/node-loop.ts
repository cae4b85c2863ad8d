/**
 * The event loop of one simulated process, with the phases of the real one: timers that are due, then I/O that is ready,
 * then immediates. A paused process (SIGSTOP) takes none of them; when it goes on, its overdue timers fire before it reads
 * what arrived meanwhile, which is the order that makes naive election timers wrong.
 *
 * Also the process's clocks: monotonic time runs at a rate of its own and may freeze (a suspended virtual machine); wall
 * time may be off and may jump.
 */
import type { Clock, TimerHandle } from '@flotilla/raft';
import { drained } from './world.ts';
import type { World } from './world.ts';

interface Timer {
  readonly atMs: number;
  readonly order: number;
  run: (() => void) | null;
}

export interface LoopOptions {
  readonly world: World;
  /** Seconds of this process per second of the world. */
  readonly rate: number;
  /** Offset of the wall clock. */
  readonly wallOffsetMs: number;
  /** How long the process takes to get to what is ready. */
  readonly latencyMs: () => number;
  /** A callback threw: the real process would end. */
  readonly onUncaught: (error: unknown) => void;
}

/** An arbitrary day; only differences matter. */
const WALL_EPOCH_MS = 1_800_000_000_000;

export class NodeLoop implements Clock {
  wallOffsetMs: number;
  readonly #options: LoopOptions;
  readonly #world: World;
  /** Local time was this much at that time of the world. */
  #anchorLocalMs: number;
  #anchorWorldMs: number;
  #timers: Timer[] = [];
  #io: (() => void)[] = [];
  #immediates: (() => void)[] = [];
  #order = 0;
  #turning = false;
  #turnPlanned = false;
  #paused = false;
  #frozen = false;
  #ended = false;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#world = options.world;
    this.wallOffsetMs = options.wallOffsetMs;
    this.#anchorWorldMs = options.world.nowMs;
    // Processes do not start their monotonic clocks together.
    this.#anchorLocalMs = 1000 + options.world.nowMs * options.rate;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get paused(): boolean {
    return this.#paused;
  }

  nowMs(): number {
    if (this.#frozen) return this.#anchorLocalMs;
    return this.#anchorLocalMs + (this.#world.nowMs - this.#anchorWorldMs) * this.#options.rate;
  }

  wallMs(): number {
    return Math.floor(WALL_EPOCH_MS + this.nowMs() + this.wallOffsetMs);
  }

  setTimer(atMs: number, run: () => void): TimerHandle {
    const timer: Timer = { atMs, order: this.#order++, run };
    this.#timers.push(timer);
    this.#wakeFor(timer);
    return {
      cancel: () => {
        timer.run = null;
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  immediate(run: () => void): void {
    if (this.#ended) return;
    this.#immediates.push(run);
    if (!this.#turning) this.#plan();
  }

  /** Something arrived from outside: a message, an answer of the disk, a request of a client. */
  io(run: () => void): void {
    if (this.#ended) return;
    this.#io.push(run);
    if (!this.#turning) this.#plan();
  }

  /** `frozen`: its monotonic clock stands still too. */
  pause(frozen: boolean): void {
    if (this.#paused || this.#ended) return;
    this.#anchorLocalMs = this.nowMs();
    this.#anchorWorldMs = this.#world.nowMs;
    this.#paused = true;
    this.#frozen = frozen;
  }

  resume(): void {
    if (!this.#paused || this.#ended) return;
    if (this.#frozen) this.#anchorWorldMs = this.#world.nowMs;
    this.#paused = false;
    this.#frozen = false;
    for (const timer of this.#timers) this.#wakeFor(timer);
    this.#plan();
  }

  /** The process is gone: nothing of it ever runs again. */
  end(): void {
    this.#ended = true;
    this.#timers = [];
    this.#io = [];
    this.#immediates = [];
  }

  #wakeFor(timer: Timer): void {
    const inMs = Math.max(0, (timer.atMs - this.nowMs()) / this.#options.rate);
    // Never early by a rounding error: a timer that fires before its time would be set again for the same instant, for ever.
    const atMs = (Math.ceil((this.#world.nowMs + inMs) * 1000) + 1) / 1000;
    this.#world.at(atMs, () => {
      if (timer.run !== null && !this.#ended && !this.#paused) this.#plan();
    });
  }

  #plan(): void {
    if (this.#turnPlanned || this.#paused || this.#ended) return;
    this.#turnPlanned = true;
    this.#world.after(this.#options.latencyMs(), async () => {
      this.#turnPlanned = false;
      if (!this.#paused && !this.#ended) await this.#turn();
    });
  }

  async #turn(): Promise<void> {
    this.#turning = true;
    const nowMs = this.nowMs();
    const due = this.#timers.filter((timer) => timer.atMs <= nowMs);
    due.sort((a, b) => (a.atMs === b.atMs ? a.order - b.order : a.atMs - b.atMs));
    this.#timers = this.#timers.filter((timer) => !due.includes(timer));
    for (const timer of due) if (timer.run !== null) await this.#call(timer.run);
    for (const run of this.#io.splice(0)) await this.#call(run);
    for (const run of this.#immediates.splice(0)) await this.#call(run);
    this.#turning = false;
    if (this.#io.length > 0 || this.#immediates.length > 0) this.#plan();
  }

  async #call(run: () => void): Promise<void> {
    if (this.#ended) return;
    try {
      run();
    } catch (error) {
      this.#options.onUncaught(error);
    }
    await drained();
  }
}
