/**
 * Which share of keys a change of the configuration sends to another backend, as a number, without trying a single key.
 *
 * Weighted rendezvous is a race: each backend draws an exponential time per key, divided by its weight, and the first one has the
 * key. So the share of keys that stay with backend i is 1 / Σⱼ max(wⱼ/wᵢ, w'ⱼ/w'ᵢ), exact for rendezvous and for the first choice
 * of sessions; Maglev moves a little more. As configured: verdicts come and go. Sessions that are pinned stay where they are.
 */
import type { Config, PoolConfig } from '@flotilla/shared';

export interface KeysMoved {
  readonly pool: string;
  /** 0–1, to four places. */
  readonly ratio: number;
}

const PLACES = 1e4;

/** Pools that are there before and after and choose by a key; those where none moves are left out. */
export function keysMoved(before: Config, after: Config): KeysMoved[] {
  const old = new Map(before.pools.map((pool) => [pool.name, pool]));
  return after.pools.flatMap((pool) => {
    const was = old.get(pool.name);
    if (was === undefined || was === pool) return [];
    const methods = [methodOf(was), methodOf(pool)] as const;
    if (methods.includes(null)) return [];
    const [a, b] = [weightsOf(was), weightsOf(pool)];
    if (a.size === 0 || b.size === 0) return [];
    const staying = methods[0] === methods[1] ? stayingRatio(a, b) : independentRatio(a, b);
    const ratio = Math.round((1 - staying) * PLACES) / PLACES;
    return ratio > 0 ? [{ pool: pool.name, ratio }] : [];
  });
}

/** What decides where a key goes, beside backends and weights; null where chance or load decides. */
function methodOf({ algorithm, affinity, hash }: PoolConfig): string | null {
  if (affinity !== null && affinity.type !== 'cookie') return `session ${affinity.type} ${affinity.name}`;
  return algorithm === 'rendezvous' || algorithm === 'maglev' ? `${algorithm} ${hash.on}` : null;
}

/** Backends of the first tier that take new work. */
function weightsOf({ backends }: PoolConfig): Map<string, number> {
  const usable = backends.filter(({ state, weight }) => state === 'enabled' && weight > 0);
  const first = usable.reduce((least, { priority }) => Math.min(least, priority), Infinity);
  return new Map(usable.filter(({ priority }) => priority === first).map(({ id, weight }) => [id, weight]));
}

interface Racer {
  readonly was: number;
  readonly is: number;
}

/** Sorted by growth, the larger of the two fractions is the old one for all before i and the new one for all after it. */
function stayingRatio(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): number {
  const racers = [...new Set([...before.keys(), ...after.keys()])]
    .map((id): Racer => ({ was: before.get(id) ?? 0, is: after.get(id) ?? 0 }))
    .sort((a, b) => a.is * b.was - b.is * a.was);
  let wasUpToHere = 0;
  let isBeyond = racers.reduce((sum, { is }) => sum + is, 0);
  let staying = 0;
  for (const { was, is } of racers) {
    wasUpToHere += was;
    isBeyond -= is;
    if (was > 0 && is > 0) staying += 1 / (wasUpToHere / was + isBeyond / is);
  }
  return staying;
}

/** Keys are other ones now: a backend keeps one by chance only. */
function independentRatio(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): number {
  const total = (weights: ReadonlyMap<string, number>) =>
    [...weights.values()].reduce((sum, weight) => sum + weight, 0);
  const [was, is] = [total(before), total(after)];
  return [...before].reduce((sum, [id, weight]) => sum + (weight / was) * ((after.get(id) ?? 0) / is), 0);
}
