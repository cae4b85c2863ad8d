/**
 * Consistent hashing with bounded loads (Mirrokni et al. 2018): nobody carries more than `ratio` times the share of its weight.
 *
 * Gives the hashing choosers one more reason to skip. The loads are this node's, so a bounded choice is local, not the same on every node.
 */
import type { LoadOf, Skip } from './chooser.ts';

export interface Bound {
  readonly ratio: number;
  readonly weights: readonly number[];
  readonly loadOf: LoadOf;
}

/** Skips whoever is at the cap or skipped by `skip`. Never skips all that `skip` leaves: a cap is at least the mean. */
export function boundedSkip(bound: Bound, skip: Skip | null): Skip {
  const { ratio, weights, loadOf } = bound;
  let totalLoad = 1;
  let totalWeight = 0;
  for (let index = 0; index < weights.length; index++) {
    if (skip?.(index)) continue;
    totalLoad += loadOf(index);
    totalWeight += weights[index] as number;
  }
  const perWeight = (Math.max(ratio, 1) * totalLoad) / totalWeight;
  return (index) => skip?.(index) === true || loadOf(index) >= Math.ceil(perWeight * (weights[index] as number));
}
