/**
 * Slow start: the weight of a backend that has just come up rises in steps to its full value, measured in log time, so that
 * every node ramps it alike whatever its own clock says.
 *
 * Not for the hashing algorithms: every step would move keys twice. Never zero: a backend without any work does not warm up.
 */

/** Weights are scaled by this so that a weight of 1 can ramp too. */
export const RAMP_STEP_COUNT = 20;

export interface Ramp {
  readonly slowStartMs: number;
  readonly upSinceMs: number;
  readonly logNowMs: number;
}

/** Scaled weight: from weight × 1 up to weight × RAMP_STEP_COUNT. */
export function rampedWeight(weight: number, ramp: Ramp): number {
  return weight * rampStep(ramp);
}

/** Log time of its next step; Infinity when it is at full weight. */
export function nextRampStepMs(ramp: Ramp): number {
  const step = rampStep(ramp);
  if (step === RAMP_STEP_COUNT) return Infinity;
  return ramp.upSinceMs + (ramp.slowStartMs * step) / RAMP_STEP_COUNT;
}

function rampStep({ slowStartMs, upSinceMs, logNowMs }: Ramp): number {
  const elapsedMs = logNowMs - upSinceMs;
  if (slowStartMs <= 0 || elapsedMs >= slowStartMs) return RAMP_STEP_COUNT;
  return Math.min(RAMP_STEP_COUNT, Math.floor((Math.max(0, elapsedMs) * RAMP_STEP_COUNT) / slowStartMs) + 1);
}
