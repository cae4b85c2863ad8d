/**
 * Whether this node should get traffic, and if not why not, in words. A pure question over what the parts say; the only
 * memory is what must have happened once since the start.
 */
import type { ReadonlyState } from '../state/index.ts';
import type { PeerView } from './peers.ts';

export interface ReadinessFacts {
  /** The state was restored and is being served; false while the store opens or the cluster forms. */
  readonly loaded: boolean;
  readonly loadingReason: string;
  /** Linearizable once since the start. */
  readonly caughtUp: boolean;
  readonly listenerFaults: readonly string[];
  /** Probed pools whose backends have no verdict yet, as `pool/backend`. */
  readonly unknownBackends: () => readonly string[];
  /** This node brings a first configuration and the cluster has none yet. */
  readonly awaitsConfig: boolean;
  readonly draining: boolean;
  readonly isolated: boolean;
  readonly quorum: boolean;
  readonly readyWithoutQuorum: boolean;
  readonly stopping: boolean;
  /** Why its state must not be believed; '' where it may. */
  readonly quarantine: string;
  /** The membership that this node knows is without it. */
  readonly removed: boolean;
}

export interface ReadyView extends Pick<PeerView, 'activeRevision' | 'appliedIndex' | 'connections' | 'drained'> {
  readonly ready: boolean;
  readonly reasons: readonly string[];
  /** Serves what it last knew: there is no quorum to ask. */
  readonly stale: boolean;
  /** False while the cluster has no configuration at all: ready, but with nothing to serve. */
  readonly configured: boolean;
}

export class Readiness {
  /** First verdicts were known once: a backend that is added later must not take the whole node out. */
  #verdictsKnown = false;

  reasons(facts: ReadinessFacts): string[] {
    if (facts.stopping) return ['stopping'];
    if (!facts.loaded) return [facts.loadingReason];
    const { caughtUp, awaitsConfig } = facts;
    // Looked at until it was seen once: with many backends this is the costly part.
    const unknown = this.#verdictsKnown || !caughtUp || awaitsConfig ? [] : facts.unknownBackends();
    if (caughtUp && !awaitsConfig && unknown.length === 0) this.#verdictsKnown = true;
    const reasons: string[] = [];
    if (facts.removed) reasons.push('removed from the cluster');
    if (facts.quarantine !== '') reasons.push(facts.quarantine);
    if (!caughtUp) reasons.push('has not caught up with the cluster since it started');
    else if (awaitsConfig) reasons.push('the first configuration is not committed yet');
    else if (!this.#verdictsKnown) reasons.push(`first health verdicts are missing: ${summary(unknown)}`);
    reasons.push(...facts.listenerFaults);
    if (facts.draining) reasons.push('draining');
    if (facts.isolated) reasons.push('isolated: alone in seeing most backends down');
    if (!facts.quorum && !facts.readyWithoutQuorum) reasons.push('no quorum');
    return reasons;
  }
}

/** Backends that are probed but have no verdict, as `pool/backend`. */
export function unknownBackends(state: ReadonlyState): string[] {
  const unknown: string[] = [];
  for (const [key, { verdict }] of state.verdicts.entries()) {
    if (verdict !== 'unknown') continue;
    const pool = state.backends.get(key)?.pool;
    if (pool !== undefined && state.pools.get(pool)?.health.protocol !== 'none') unknown.push(key);
  }
  return unknown;
}

function summary(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ');
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}
