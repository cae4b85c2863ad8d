/** The wheel with a clock of the test: never early, a tick late at most, restarts in both directions, long pauses. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Timers } from './timers.ts';

function wheel() {
  let nowMs = 1_000_003;
  const timers = new Timers(() => nowMs);
  return {
    timers,
    now: () => nowMs,
    /** In steps, as the interval would. */
    pass(ms: number, stepMs = 20) {
      for (const end = nowMs + ms; nowMs < end; ) {
        nowMs = Math.min(end, nowMs + stepMs);
        timers.advance();
      }
    },
  };
}

test('fires once, not early, at most one tick and one step late', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 40_000 }), fc.integer({ min: 1, max: 25_000 }), (delayMs, stepMs) => {
      const { timers, now, pass } = wheel();
      const dueMs = now() + delayMs;
      const fired: number[] = [];
      timers.after(delayMs, () => fired.push(now()));
      pass(delayMs + 20 + 2 * stepMs, stepMs);
      expect(fired).toHaveLength(1);
      expect(fired[0]).toBeGreaterThanOrEqual(dueMs);
      expect(fired[0]).toBeLessThanOrEqual(dueMs + 20 + stepMs);
    }),
  );
});

test('restarted later, earlier, after firing and after being cancelled', () => {
  const { timers, pass } = wheel();
  let count = 0;
  const timer = timers.after(100, () => count++);
  pass(80);
  timers.restart(timer, 100);
  pass(90);
  expect(count).toBe(0);
  pass(40);
  expect(count).toBe(1);
  timers.restart(timer, 30_000);
  timers.restart(timer, 60);
  pass(100);
  expect(count).toBe(2);
  timers.restart(timer, 60);
  timer.cancel();
  pass(30_000);
  expect(count).toBe(2);
  timers.restart(timer, 60);
  pass(100);
  expect(count).toBe(3);
});

test('a callback may set timers, also for now', () => {
  const { timers, pass } = wheel();
  const fired: string[] = [];
  timers.after(40, () => {
    fired.push('first');
    timers.after(0, () => fired.push('second'));
  });
  pass(60);
  pass(60);
  expect(fired).toEqual(['first', 'second']);
});
