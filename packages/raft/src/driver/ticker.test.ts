/** The one timer of a node, on a clock that the test turns. */
import { expect, test } from 'vitest';
import type { Clock } from './ports.ts';
import { Ticker } from './ticker.ts';

class HandClock implements Clock {
  #nowMs = 0;
  timers: { readonly atMs: number; readonly run: () => void }[] = [];
  immediates: (() => void)[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  setTimer(atMs: number, run: () => void): { cancel(): void } {
    const timer = { atMs, run };
    this.timers.push(timer);
    return { cancel: () => void this.timers.splice(this.timers.indexOf(timer), 1) };
  }

  immediate(run: () => void): void {
    this.immediates.push(run);
  }

  /** Lets the pending timer fire at this time, however late that is; what it deferred waits for `turn`. */
  fire(nowMs: number): void {
    this.#nowMs = nowMs;
    const due = this.timers.filter(({ atMs }) => atMs <= nowMs);
    this.timers = this.timers.filter(({ atMs }) => atMs > nowMs);
    for (const { run } of due) run();
  }

  turn(): void {
    for (const run of this.immediates.splice(0)) run();
  }
}

function setUp(): { clock: HandClock; ticker: Ticker; told: string[] } {
  const clock = new HandClock();
  const told: string[] = [];
  const ticker = new Ticker(clock, 100, {
    onStall: (gapMs) => told.push(`stall ${gapMs}`),
    onTime: () => told.push(`time ${clock.nowMs()}`),
    onHousekeeping: () => told.push('housekeeping'),
  });
  ticker.start();
  return { clock, ticker, told };
}

test('there is never more than one pending timer', () => {
  const { clock, ticker } = setUp();
  for (const atMs of [500, 7, 300, 3, 9]) {
    ticker.wakeAt(atMs);
    expect(clock.timers).toHaveLength(1);
  }
  expect(clock.timers[0]?.atMs).toBe(3);
});

test('time is reported after the sockets were read, once, and not before it was asked for', () => {
  const { clock, ticker, told } = setUp();
  ticker.wakeAt(10);
  clock.fire(10);
  expect(told).toEqual([]);
  clock.turn();
  expect(told).toEqual(['time 10']);
  clock.fire(20);
  clock.turn();
  expect(told).toEqual(['time 10', 'housekeeping']);
});

test('a heartbeat that is read meanwhile takes the wish back', () => {
  const { clock, ticker, told } = setUp();
  ticker.wakeAt(10);
  clock.fire(12);
  ticker.wakeAt(400);
  clock.turn();
  expect(told).toEqual([]);
});

test('a stall is told before time is', () => {
  const { clock, ticker, told } = setUp();
  ticker.wakeAt(10);
  clock.fire(350);
  clock.turn();
  expect(told.slice(0, 2)).toEqual(['stall 340', 'time 350']);
});

test('after stop nothing is told', () => {
  const { clock, ticker, told } = setUp();
  ticker.wakeAt(10);
  clock.fire(10);
  ticker.stop();
  clock.turn();
  expect(told).toEqual([]);
  expect(clock.timers).toEqual([]);
});
