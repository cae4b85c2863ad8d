/**
 * Weighted rendezvous hashing: every candidate draws from the key, the lowest draw per weight wins.
 *
 * When a candidate leaves, only its own keys move; when one comes, it takes its share and nothing else moves; when a weight
 * changes, keys move only to or from that candidate. Costs one pass over the candidates: for hundreds, take Maglev.
 */
import type { Chooser } from './chooser.ts';
import { negativeLog2 } from './fixed-log.ts';
import { combine32, hash32 } from './hash.ts';

const ID_SEED = 0x52454e44;

/** `ids` must be sorted: the order decides between equal draws. */
export function rendezvous(ids: readonly string[], weights: readonly number[]): Chooser {
  const hashes = Uint32Array.from(ids, (id) => hash32(id, ID_SEED));
  return {
    choose(keyHash, skip) {
      let best = -1;
      let bestDraw = 0;
      let bestWeight = 1;
      for (let index = 0; index < weights.length; index++) {
        if (skip?.(index)) continue;
        const draw = negativeLog2(combine32(hashes[index] as number, keyHash));
        const weight = weights[index] as number;
        // draw / weight < bestDraw / bestWeight, exact: both products stay below 2^53.
        if (best < 0 || draw * bestWeight < bestDraw * weight) {
          best = index;
          bestDraw = draw;
          bestWeight = weight;
        }
      }
      return best;
    },
  };
}
