/**
 * Smooth weighted round-robin, as nginx does it: each turn every candidate gains its weight, the richest is chosen and pays
 * the sum of all. With weights 5, 1, 1 that gives a a b a c a a, not a a a a a b c.
 *
 * A turn costs one pass over the candidates, so a large pool is split into groups of about the square root of its size:
 * one smooth round-robin chooses the group by the group's weight, another the candidate in it. Shares stay exact.
 */
import type { Chooser, Skip } from './chooser.ts';

/** Up to here one flat pass is cheaper than two short ones. */
const FLAT_MAX_COUNT = 64;

/** `random` sets the starting phase: frequent rebuilds must not favour the first candidate. */
export function smoothRoundRobin(weights: readonly number[], random: () => number): Chooser {
  if (weights.length <= FLAT_MAX_COUNT) return flat(weights, random);
  const size = Math.ceil(Math.sqrt(weights.length));
  const starts: number[] = [];
  for (let start = 0; start < weights.length; start += size) starts.push(start);
  const groups = starts.map((start) => flat(weights.slice(start, start + size), random));
  const outer = flat(
    starts.map((start) => weights.slice(start, start + size).reduce((sum, weight) => sum + weight, 0)),
    random,
  );
  return {
    choose(keyHash, skip) {
      if (skip === null) {
        const group = outer.choose(keyHash, null);
        return (starts[group] as number) + (groups[group] as Chooser).choose(keyHash, null);
      }
      // A group whose every candidate is skipped answers -1 and is itself skipped on the next round.
      const empty = new Set<number>();
      for (;;) {
        const group = outer.choose(keyHash, empty.size === 0 ? null : (index) => empty.has(index));
        if (group < 0) return -1;
        const start = starts[group] as number;
        const inner = (groups[group] as Chooser).choose(keyHash, (index) => skip(start + index));
        if (inner >= 0) return start + inner;
        empty.add(group);
      }
    },
  };
}

function flat(weights: readonly number[], random: () => number): Chooser {
  const credit = Float64Array.from(weights, (weight) => Math.floor(random() * weight));
  return { choose: (_keyHash, skip) => smoothTurn(weights, credit, skip) };
}

/** One turn over the unskipped; `credit` is the state, one number per candidate. */
function smoothTurn(weights: readonly number[], credit: Float64Array, skip: Skip | null): number {
  let best = -1;
  let bestCredit = -Infinity;
  let total = 0;
  for (let index = 0; index < weights.length; index++) {
    if (skip?.(index)) continue;
    const weight = weights[index] as number;
    const mine = (credit[index] as number) + weight;
    credit[index] = mine;
    total += weight;
    if (mine > bestCredit) {
      best = index;
      bestCredit = mine;
    }
  }
  if (best >= 0) credit[best] = bestCredit - total;
  return best;
}
