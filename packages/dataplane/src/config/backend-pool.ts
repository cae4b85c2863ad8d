/**
 * A pool of the routing table: its backends and the choice among them.
 *
 * A change of one backend's numbers ({@link BackendPool.update}) only drops the plan; the next pick compiles it anew for this
 * pool alone. Retries, suspicion and local reachability are handled here, so the choosers stay pure.
 */
import type { BackendSpec, PoolSpec } from '@flotilla/shared';
import type { Skip } from '../balancing/chooser.ts';
import { hash32 } from '../balancing/hash.ts';
import { hashKey } from '../balancing/hash-key.ts';
import { buildPlan, isHashing } from './pick-plan.ts';
import type { PickInputs, PickPlan, Tier } from './pick-plan.ts';
import type { PoolMark } from './runtime-registry.ts';
import type { Backend, PickContext, Pool } from './table.ts';

const KEY_SEED = 0x464c4f54;

export class BackendPool implements Pool {
  readonly spec: PoolSpec;
  readonly backends: readonly Backend[];
  readonly #byId: ReadonlyMap<string, Backend>;
  readonly #inputs: PickInputs;
  readonly #mark: PoolMark;
  readonly #hashes: boolean;
  #plan: PickPlan | null = null;

  constructor(spec: PoolSpec, backends: readonly Backend[], around: { inputs: PickInputs; mark: PoolMark }) {
    this.spec = spec;
    this.backends = backends;
    this.#byId = new Map(backends.map((backend) => [backend.id, backend]));
    this.#inputs = around.inputs;
    this.#mark = around.mark;
    this.#hashes = isHashing(spec);
  }

  backend(id: string): Backend | null {
    return this.#byId.get(id) ?? null;
  }

  /** Gives one backend new numbers; false where the pool does not have it. */
  update(id: string, change: (spec: BackendSpec) => BackendSpec): boolean {
    const backend = this.#byId.get(id);
    if (backend === undefined) return false;
    backend.spec = change(backend.spec);
    this.#plan = null;
    return true;
  }

  plan(): PickPlan {
    if (this.#plan === null || this.#isOutdated(this.#plan))
      this.#plan = buildPlan(this.spec, this.backends, this.#inputs);
    return this.#plan;
  }

  #isOutdated({ validUntilLogMs }: PickPlan): boolean {
    return validUntilLogMs !== Infinity && this.#inputs.logNowMs() >= validUntilLogMs;
  }

  pick(request: PickContext): Backend | null {
    const keyHash = this.#hashes ? hash32(hashKey(this.spec.hash, request), KEY_SEED) : 0;
    return this.#pickFrom(this.plan().tiers, keyHash, request);
  }

  pickByKey(key: string, request: PickContext): Backend | null {
    return this.#pickFrom(this.plan().sessionTiers, hash32(key, KEY_SEED), request);
  }

  #pickFrom(tiers: readonly Tier[], keyHash: number, request: PickContext): Backend | null {
    const [first] = tiers;
    if (first === undefined) return null;
    const nowMs = this.#inputs.nowMs();
    const anySuspect = this.#mark.suspectUntilMs > nowMs || this.#mark.locallyDownCount > 0;
    if (!anySuspect && request.tried.length === 0) {
      const index = first.choose(keyHash, null);
      // Only a pool whose every place is at its cap answers -1 here, and a cap is never below the mean.
      if (index >= 0) return first.backends[index] as Backend;
    }
    const wasTried = (backend: Backend): boolean => hasBackend(request.tried, backend);
    if (anySuspect) {
      const healthy = pickFrom(tiers, keyHash, (backend) => wasTried(backend) || isSuspect(backend, nowMs));
      if (healthy !== null) return healthy;
    }
    return pickFrom(tiers, keyHash, wasTried);
  }

  servesPinned(backend: Backend): boolean {
    const { state, verdict } = backend.spec;
    if (state === 'maintenance') return false;
    return verdict === 'up' || verdict === 'unknown' || this.plan().failingOpen;
  }
}

function isSuspect(backend: Backend, nowMs: number): boolean {
  return backend.runtime.locallyDown || backend.runtime.suspectUntilMs > nowMs;
}

/** By id, not by identity: after a table swap the same backend is another object. */
function hasBackend(tried: readonly Backend[], backend: Backend): boolean {
  return tried.some((other) => other.id === backend.id && other.pool === backend.pool);
}

function pickFrom(tiers: readonly Tier[], keyHash: number, passOver: (backend: Backend) => boolean): Backend | null {
  for (const tier of tiers) {
    const skip: Skip = (index) => passOver(tier.backends[index] as Backend);
    const index = tier.choose(keyHash, skip);
    if (index >= 0) return tier.backends[index] as Backend;
  }
  return null;
}
