/**
 * Least connections: the lowest load per weight; among equals the turn of smooth round-robin, so that an idle pool is shared
 * by weight. The load comes from memory shared by all threads of the node: a local algorithm, not the same on every node.
 */
import type { Chooser, LoadOf } from './chooser.ts';

export function leastConnections(weights: readonly number[], loadOf: LoadOf, random: () => number): Chooser {
  const credit = Float64Array.from(weights, (weight) => Math.floor(random() * weight));
  const loads = new Float64Array(weights.length);

  /** One turn of smooth round-robin among those that stand as well as `best`. */
  function turn(best: number): number {
    const bestLoad = loads[best] as number;
    const bestWeight = weights[best] as number;
    let chosen = -1;
    let chosenCredit = -Infinity;
    let total = 0;
    for (let index = best; index < loads.length; index++) {
      const weight = weights[index] as number;
      if ((loads[index] as number) * bestWeight !== bestLoad * weight) continue;
      const mine = (credit[index] as number) + weight;
      credit[index] = mine;
      total += weight;
      if (mine > chosenCredit) {
        chosen = index;
        chosenCredit = mine;
      }
    }
    credit[chosen] = chosenCredit - total;
    return chosen;
  }

  return {
    choose(_keyHash, skip) {
      let best = -1;
      let bestLoad = 0;
      let bestWeight = 1;
      let equals = 0;
      for (let index = 0; index < loads.length; index++) {
        const load = skip?.(index) === true ? Infinity : loadOf(index);
        loads[index] = load;
        if (load === Infinity) continue;
        const weight = weights[index] as number;
        // load / weight compared without dividing: exact in integers.
        const difference = load * bestWeight - bestLoad * weight;
        if (best < 0 || difference < 0) {
          best = index;
          bestLoad = load;
          bestWeight = weight;
          equals = 1;
        } else if (difference === 0) equals++;
      }
      return equals <= 1 ? best : turn(best);
    },
  };
}
