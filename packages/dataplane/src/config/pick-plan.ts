/**
 * Which backends of a pool may take new work, in tiers by priority, each with its chooser: compiled when the pool changes.
 *
 * May take new work: enabled, weight above 0, verdict `up` or `unknown`. An unknown verdict serves: nothing proves the backend
 * down, and a cluster without a quorum of observers must not stop traffic. Where nobody qualifies and the pool fails open,
 * verdicts are disregarded; states and weights never are.
 */
import type { PoolSpec } from '@flotilla/shared';
import { boundedSkip } from '../balancing/bounded-load.ts';
import type { Chooser, Skip } from '../balancing/chooser.ts';
import { leastConnections } from '../balancing/least-connections.ts';
import { maglev } from '../balancing/maglev.ts';
import { rendezvous } from '../balancing/rendezvous.ts';
import { nextRampStepMs, rampedWeight } from '../balancing/slow-start.ts';
import { smoothRoundRobin } from '../balancing/smooth-round-robin.ts';
import { p2c, peakEwma } from '../balancing/two-choices.ts';
import { weightedRandom } from '../balancing/weighted-random.ts';
import { splitByZone } from '../balancing/zones.ts';
import type { Zoned } from '../balancing/zones.ts';
import type { Backend } from './table.ts';

/** Time and chance, given from outside: the same plan code serves proxy threads, `explain` and tests. */
export interface PickInputs {
  nowMs(): number;
  /** Replicated time, extrapolated since the last snapshot or delta. */
  logNowMs(): number;
  random(): number;
  /** Where this node stands, as in the backends' tag `zone`; '' or absent: nowhere in particular. */
  readonly zone?: string;
}

export interface Tier {
  readonly priority: number;
  /** Sorted by id, so that the order in the configuration decides nothing. */
  readonly backends: readonly Backend[];
  readonly weights: readonly number[];
  choose(keyHash: number, skip: Skip | null): number;
}

export interface PickPlan {
  readonly tiers: readonly Tier[];
  /** The same backends, chosen by rendezvous: for sessions. */
  readonly sessionTiers: readonly Tier[];
  readonly failingOpen: boolean;
  /** Log time of the next slow-start step; Infinity when none is under way. */
  readonly validUntilLogMs: number;
}

export function isHashing(spec: PoolSpec): boolean {
  return spec.algorithm === 'rendezvous' || spec.algorithm === 'maglev';
}

/** Why a backend takes no new work, or null. */
export function refusal(backend: Backend, failingOpen: boolean): string | null {
  const { state, weight, verdict } = backend.spec;
  if (state !== 'enabled') return state;
  if (weight <= 0) return 'weight 0';
  return failingOpen || verdict === 'up' || verdict === 'unknown' ? null : verdict;
}

export function buildPlan(spec: PoolSpec, backends: readonly Backend[], inputs: PickInputs): PickPlan {
  let usable = backends.filter((backend) => refusal(backend, false) === null);
  const failingOpen = usable.length === 0 && spec.failOpen;
  if (failingOpen) usable = backends.filter((backend) => refusal(backend, true) === null);
  const logNowMs = inputs.logNowMs();
  const slowStartMs = isHashing(spec) ? 0 : spec.slowStartMs;
  let validUntilLogMs = Infinity;
  const byPriority = new Map<number, Backend[]>();
  for (const backend of usable) {
    const tier = byPriority.get(backend.spec.priority);
    if (tier === undefined) byPriority.set(backend.spec.priority, [backend]);
    else tier.push(backend);
    const ramp = { slowStartMs, upSinceMs: backend.spec.upSinceMs, logNowMs };
    validUntilLogMs = Math.min(validUntilLogMs, nextRampStepMs(ramp));
  }
  const weigh = ({ spec: { weight, upSinceMs } }: Backend): number =>
    slowStartMs > 0 ? rampedWeight(weight, { slowStartMs, upSinceMs, logNowMs }) : weight;
  const sorted = [...byPriority].toSorted(([a], [b]) => a - b);
  const ownZone = isHashing(spec) ? '' : (inputs.zone ?? '');
  const tiers = sorted.flatMap(([priority, members]) =>
    splitByZone(members, ownZone, zonedBackend).map((group) =>
      buildTier(spec, priority, { members: group, weigh, inputs }),
    ),
  );
  const sessionTiers = isSessionHashed(spec)
    ? sorted.map(([priority, members]) => buildSessionTier(priority, members))
    : [];
  return { tiers, sessionTiers, failingOpen, validUntilLogMs };
}

function zonedBackend({ spec: { tags, weight } }: Backend): Zoned {
  return { zone: tags['zone'] ?? '', weight };
}

function isSessionHashed({ affinity }: PoolSpec): boolean {
  return affinity !== null && affinity.type !== 'cookie';
}

/** By the committed weights: a ramp of slow start must not move first choices about. */
function buildSessionTier(priority: number, members: readonly Backend[]): Tier {
  const backends = sortedById(members);
  const weights = backends.map((backend) => backend.spec.weight);
  const chooser = rendezvous(
    backends.map((backend) => backend.id),
    weights,
  );
  return { priority, backends, weights, choose: (keyHash, skip) => chooser.choose(keyHash, skip) };
}

function sortedById(backends: readonly Backend[]): Backend[] {
  return backends.toSorted((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

interface TierParts {
  readonly members: readonly Backend[];
  readonly weigh: (backend: Backend) => number;
  readonly inputs: PickInputs;
}

function buildTier(spec: PoolSpec, priority: number, { members, weigh, inputs }: TierParts): Tier {
  const backends = sortedById(members);
  const weights = backends.map(weigh);
  const loadOf = (index: number): number => (backends[index] as Backend).runtime.inFlight();
  // Built when first used: a backup tier may never be.
  let chooser: Chooser | null = null;
  const bounded = isHashing(spec) && spec.boundedLoadRatio > 0;
  return {
    priority,
    backends,
    weights,
    choose(keyHash, skip) {
      chooser ??= buildChooser(spec, { backends, weights, inputs });
      if (!bounded) return chooser.choose(keyHash, skip);
      return chooser.choose(keyHash, boundedSkip({ ratio: spec.boundedLoadRatio, weights, loadOf }, skip));
    },
  };
}

interface ChooserParts {
  readonly backends: readonly Backend[];
  readonly weights: readonly number[];
  readonly inputs: PickInputs;
}

function buildChooser(spec: PoolSpec, { backends, weights, inputs }: ChooserParts): Chooser {
  const random = (): number => inputs.random();
  const loadOf = (index: number): number => (backends[index] as Backend).runtime.inFlight();
  const ids = (): string[] => backends.map((backend) => backend.id);
  switch (spec.algorithm) {
    case 'round-robin':
      return smoothRoundRobin(weights, random);
    case 'least-connections':
      return leastConnections(weights, loadOf, random);
    case 'p2c':
      return p2c(weights, loadOf, random);
    case 'ewma': {
      const latencyMsOf = (index: number): number => (backends[index] as Backend).runtime.latencyMs(inputs.nowMs());
      return peakEwma(weights, { loadOf, latencyMsOf, random });
    }
    case 'random':
      return weightedRandom(weights, random);
    case 'rendezvous':
      return rendezvous(ids(), weights);
    case 'maglev':
      return maglev(ids(), weights);
  }
}
