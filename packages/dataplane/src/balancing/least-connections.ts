/**
 * Least connections: the lowest load per weight; among equals the turn of smooth round-robin, so that an idle pool is shared
 * by weight. The load comes from memory shared by all threads of the node: a local algorithm, not the same on every node.
 */
import type { Chooser, LoadOf } from './chooser.ts';
import { smoothTurn } from './smooth-round-robin.ts';

export function leastConnections(weights: readonly number[], loadOf: LoadOf, random: () => number): Chooser {
  const credit = weights.map((weight) => Math.floor(random() * weight));
  const loads = new Float64Array(weights.length);
  return {
    choose(_keyHash, skip) {
      let best = -1;
      let equals = 0;
      for (let index = 0; index < weights.length; index++) {
        if (skip?.(index)) continue;
        const load = loadOf(index);
        loads[index] = load;
        if (best < 0) {
          best = index;
          equals = 1;
          continue;
        }
        // load / weight compared without dividing: exact in integers.
        const difference = load * (weights[best] as number) - (loads[best] as number) * (weights[index] as number);
        if (difference < 0) {
          best = index;
          equals = 1;
        } else if (difference === 0) equals++;
      }
      if (equals <= 1) return best;
      const bestLoad = loads[best] as number;
      const bestWeight = weights[best] as number;
      return smoothTurn(
        weights,
        credit,
        (index) =>
          skip?.(index) === true || (loads[index] as number) * bestWeight !== bestLoad * (weights[index] as number),
      );
    },
  };
}
