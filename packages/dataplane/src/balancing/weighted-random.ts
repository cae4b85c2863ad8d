/** Weighted random: a binary search in the running sums of the weights. */
import type { Chooser, Skip } from './chooser.ts';

export function weightedRandom(weights: readonly number[], random: () => number): Chooser {
  const sums = new Float64Array(weights.length);
  let total = 0;
  weights.forEach((weight, index) => {
    total += weight;
    sums[index] = total;
  });

  function draw(): number {
    const point = Math.floor(random() * total);
    let low = 0;
    let high = sums.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] as number) > point) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  return {
    choose(_keyHash, skip) {
      if (weights.length === 0) return -1;
      return skip === null ? draw() : drawUnskipped(weights, skip, random);
    },
  };
}

/** The rare path of several algorithms: a weighted draw among those that are not skipped, in two passes. */
export function drawUnskipped(weights: readonly number[], skip: Skip, random: () => number): number {
  let total = 0;
  for (let index = 0; index < weights.length; index++) if (!skip(index)) total += weights[index] as number;
  let point = Math.floor(random() * total);
  for (let index = 0; index < weights.length; index++) {
    if (skip(index)) continue;
    point -= weights[index] as number;
    if (point < 0) return index;
  }
  return -1;
}
