/**
 * The backend of a raw stream or a UDP session: its client has an address to be known by, and no cookies or fields.
 */
import type { Backend, PickContext, Pool } from '../config/table.ts';
import { engineOf } from '../request/engine.ts';
import type { DataplaneContext } from '../thread/context.ts';

/** What a choice may look at where there is no request. `tried` grows with every backend that could not be had. */
export function pickByAddress(clientIp: string): PickContext {
  return { clientIp, path: '', query: '', header: () => undefined, tried: [] };
}

/** The backend that the client's address is pinned to, or a new choice; other kinds of affinity leave it to the algorithm. */
export function chooseByAddress(context: DataplaneContext, pool: Pool, pick: PickContext): Backend | null {
  const { affinity } = pool.spec;
  if (affinity === null) return pool.pick(pick);
  return engineOf(context).affinity.choose(pool, affinity, { pick, isSecure: false, affinityKey: '' }).backend;
}
