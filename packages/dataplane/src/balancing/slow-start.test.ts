/** The ramp of slow start: where it begins, that it only rises, and when it says that it will rise. */
import { expect, test } from 'vitest';
import { nextRampStepMs, RAMP_STEP_COUNT, rampedWeight } from './slow-start.ts';

const at = (logNowMs: number) => ({ slowStartMs: 20_000, upSinceMs: 1_000, logNowMs });

test('rises in steps from a twentieth to the full weight', () => {
  expect(rampedWeight(100, at(1_000))).toBe(100);
  expect(rampedWeight(100, at(11_000))).toBe(100 * 11);
  expect(rampedWeight(100, at(21_000))).toBe(100 * RAMP_STEP_COUNT);
  expect(rampedWeight(100, at(500))).toBe(100);
  expect(rampedWeight(100, { ...at(1_000), slowStartMs: 0 })).toBe(100 * RAMP_STEP_COUNT);
});

test('the next step comes when it says', () => {
  let now = 1_000;
  let steps = 0;
  for (;;) {
    const next = nextRampStepMs(at(now));
    if (next === Infinity) break;
    expect(rampedWeight(1, at(next - 1))).toBe(rampedWeight(1, at(now)));
    expect(rampedWeight(1, at(next))).toBe(rampedWeight(1, at(now)) + 1);
    now = next;
    steps++;
  }
  expect(steps).toBe(RAMP_STEP_COUNT - 1);
});
