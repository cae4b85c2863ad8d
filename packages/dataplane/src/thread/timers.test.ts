/** The wheel with a clock of the test: never early, a tick late at most, restarts in both directions, long pauses. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { waitFor } from '@flotilla/shared/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Timers } from './timers.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

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

test('a timer that is cancelled while its slot runs does not fire, and its neighbours do', () => {
  const { timers, pass } = wheel();
  const fired: number[] = [];
  const all = [0, 1, 2, 3, 4].map((number) =>
    timers.after(100, () => {
      fired.push(number);
      // Whichever of the two comes first keeps the other from firing.
      if (number === 0) all[4]?.cancel();
      if (number === 4) all[0]?.cancel();
    }),
  );
  pass(200);
  expect(fired).toHaveLength(4);
  expect(fired).toEqual(expect.arrayContaining([1, 2, 3]));
});

test('a timer that was cancelled is held no longer', async () => {
  const { timers } = wheel();
  const gone = new Set<string>();
  const registry = new FinalizationRegistry((name: string) => gone.add(name));
  (() => {
    const connection = { bytes: new Uint8Array(1_000_000) };
    registry.register(connection, 'connection');
    timers.after(60_000, () => void connection.bytes.length).cancel();
  })();
  await waitFor('its collection', () => {
    collectGarbage();
    return gone.has('connection');
  });
});

test('a timer may be cancelled after its wheel was closed', () => {
  const { timers } = wheel();
  const timer = timers.after(60, () => {});
  timers.close();
  expect(() => timer.cancel()).not.toThrow();
});
