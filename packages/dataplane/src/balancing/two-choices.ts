/**
 * The power of two choices: two different candidates drawn by weight, the better one taken.
 *
 * `p2c` compares load per weight, `peakEwma` the expected wait: latency average times queue per weight. Both are local by nature.
 */
import type { Chooser, LoadOf, Skip } from './chooser.ts';
import { drawUnskipped, weightedRandom } from './weighted-random.ts';

export function p2c(weights: readonly number[], loadOf: LoadOf, random: () => number): Chooser {
  return twoChoices(weights, (index) => (loadOf(index) + 1) / (weights[index] as number), {
    random,
    idle: (first, second) => loadOf(first) === 0 && loadOf(second) === 0,
  });
}

export interface EwmaInputs {
  readonly loadOf: LoadOf;
  readonly latencyMsOf: (index: number) => number;
  readonly random: () => number;
}

/** A candidate that was never measured has latency 0 and is thus tried soon, but a queue on it counts from the first request. */
export function peakEwma(weights: readonly number[], inputs: EwmaInputs): Chooser {
  const { loadOf, latencyMsOf, random } = inputs;
  const UNMEASURED_MS = 0.001;
  return twoChoices(
    weights,
    (index) => (Math.max(latencyMsOf(index), UNMEASURED_MS) * (loadOf(index) + 1)) / (weights[index] as number),
    {
      random,
      idle: (first, second) => loadOf(first) + loadOf(second) === 0 && latencyMsOf(first) === latencyMsOf(second),
    },
  );
}

interface Comparison {
  readonly random: () => number;
  /** Nothing tells them apart: the first draw, already by weight, stands. */
  readonly idle: (first: number, second: number) => boolean;
}

function twoChoices(weights: readonly number[], cost: (index: number) => number, comparison: Comparison): Chooser {
  const { random, idle } = comparison;
  const draw = weightedRandom(weights, random);

  function other(first: number, skip: Skip | null): number {
    if (skip === null) {
      // Nearly always the first or second draw; a dominating weight would make it long.
      for (let attempt = 0; attempt < 3; attempt++) {
        const second = draw.choose(0, null);
        if (second !== first) return second;
      }
    }
    return drawUnskipped(weights, (index) => index === first || skip?.(index) === true, random);
  }

  return {
    choose(keyHash, skip) {
      const first = draw.choose(keyHash, skip);
      if (first < 0 || weights.length === 1) return first;
      const second = other(first, skip);
      if (second < 0 || idle(first, second)) return first;
      return cost(second) < cost(first) ? second : first;
    },
  };
}
