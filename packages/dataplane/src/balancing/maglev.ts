/**
 * Maglev hashing (Eisenbud et al., NSDI 2016, §3.4): a table of backends filled by each one's own permutation, in turns by weight.
 *
 * A pick is one table read. Sharing is nearly perfect; a change of the candidates moves few keys besides the necessary ones.
 * The table has at least a hundred places per candidate (up to 6,553 of them), so that shares are within a percent.
 */
import type { Chooser } from './chooser.ts';
import { hash32 } from './hash.ts';

/** Primes. Few steps, because a change of the size moves every key; no more, because a larger table is no longer quick to fill. */
const TABLE_SIZES = [16_381, 65_537, 655_373] as const;
const PLACES_PER_CANDIDATE = 100;
const OFFSET_SEED = 0x4d41474c;
const STEP_SEED = 0x45562121;

/** `ids` must be sorted: the order decides who fills first. */
export function maglev(ids: readonly string[], weights: readonly number[]): Chooser {
  const size = tableSize(ids.length);
  // Filled when first asked: of a thousand pools only those with traffic pay.
  let table: Int32Array | null = null;
  return {
    choose(keyHash, skip) {
      if (ids.length === 0) return -1;
      table ??= fill(ids, weights, size);
      const start = keyHash % size;
      if (skip === null) return table[start] as number;
      for (let step = 0; step < size; step++) {
        const index = table[(start + step) % size] as number;
        if (!skip(index)) return index;
      }
      return -1;
    },
  };
}

function tableSize(count: number): number {
  return TABLE_SIZES.find((size) => size >= count * PLACES_PER_CANDIDATE) ?? TABLE_SIZES[TABLE_SIZES.length - 1] ?? 1;
}

function fill(ids: readonly string[], weights: readonly number[], size: number): Int32Array {
  const table = new Int32Array(size).fill(-1);
  const position = Int32Array.from(ids, (id) => hash32(id, OFFSET_SEED) % size);
  const step = Int32Array.from(ids, (id) => (hash32(id, STEP_SEED) % (size - 1)) + 1);
  const heaviest = Math.max(...weights);
  // Each round a candidate gains its weight and takes a place for every `heaviest` gained: in turns, by weight.
  const credit = new Int32Array(ids.length);
  for (let filled = 0; ; ) {
    for (let index = 0; index < ids.length; index++) {
      credit[index] = (credit[index] as number) + (weights[index] as number);
      if ((credit[index] as number) < heaviest) continue;
      credit[index] = (credit[index] as number) - heaviest;
      const stride = step[index] as number;
      let place = position[index] as number;
      while ((table[place] as number) >= 0) {
        place += stride;
        if (place >= size) place -= size;
      }
      table[place] = index;
      position[index] = place;
      if (++filled === size) return table;
    }
  }
}
