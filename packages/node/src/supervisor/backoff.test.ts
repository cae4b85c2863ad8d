/** Pauses between restarts: they grow to a limit and start over after a healthy life. */
import { expect, it } from 'vitest';
import { RESTART_HEALTHY_AFTER_MS } from '../limits.ts';
import { Backoff } from './backoff.ts';

it('doubles from 100 ms to 5 s and starts over after a healthy life', () => {
  const backoff = new Backoff();
  expect(Array.from({ length: 8 }, () => backoff.next(10))).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  expect(backoff.next(RESTART_HEALTHY_AFTER_MS)).toBe(100);
});
