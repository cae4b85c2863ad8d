/**
 * Applies a change of single backends' numbers without compiling the table anew: the cost follows the pools that changed.
 *
 * The pools of the old and the new table are the same objects, so a request that began before the change retries by
 * the new numbers. That is wanted: a backend that was just found down must not be its second choice.
 */
import type { BackendDelta, BackendSpec, PoolSpec, RoutingSnapshot } from '@flotilla/shared';
import type { LiveTable } from './build-table.ts';

export interface DeltaHead {
  readonly index: number;
  readonly revision: number;
  readonly logTimeMs: number;
}

/** The table that follows. Deltas for backends that the table does not have are ignored: a snapshot without them is newer. */
export function applyDelta(table: LiveTable, head: DeltaHead, deltas: readonly BackendDelta[]): LiveTable {
  const changed = new Set<string>();
  for (const { pool, id, weight, state, verdict, upSinceMs } of deltas) {
    const known = table.pools.get(pool)?.update(id, (spec) => ({ ...spec, weight, state, verdict, upSinceMs }));
    if (known === true) changed.add(pool);
  }
  const { index, revision, logTimeMs } = head;
  const pools = table.snapshot.pools.map((pool) => (changed.has(pool.name) ? withCurrentBackends(table, pool) : pool));
  const snapshot: RoutingSnapshot = { ...table.snapshot, index, revision, logTimeMs, pools };
  return { ...table, index, revision, snapshot };
}

function withCurrentBackends(table: LiveTable, pool: PoolSpec): PoolSpec {
  const current = (spec: BackendSpec): BackendSpec => table.pools.get(pool.name)?.backend(spec.id)?.spec ?? spec;
  return { ...pool, backends: pool.backends.map(current) };
}
