/**
 * Who is there, asked now. What the log says of liveness is up to three seconds old, long enough for a second node to be taken
 * away within a second of another one's death; before anything is taken away for good, everybody is asked.
 */
import { FlotillaError } from '@flotilla/shared';
import { interlock, type MemberRow } from '../state/index.ts';
import type { ClusterHost } from './host.ts';
import type { Peers } from './peers.ts';

export interface RollCall {
  /** Nodes that answered, this one included. */
  readonly present: ReadonlySet<string>;
  readonly ready: ReadonlySet<string>;
}

/** Takes as long as the slowest answer, twice `peerPollTimeoutMs` at most. */
export async function callRoll(peers: Peers, own: { readonly id: string; readonly ready: boolean }): Promise<RollCall> {
  const present = new Set([own.id]);
  const ready = new Set(own.ready ? [own.id] : []);
  for (const [id, view] of await peers.callRoll()) {
    if (view.reachable) present.add(id);
    if (view.ready) ready.add(id);
  }
  return { present, ready };
}

/** Throws CONFLICT where a drain of this node would be dangerous as things are now. The log has the last word after it. */
export function refuseUnsafeDrain({ state }: ClusterHost, id: string, { present, ready }: RollCall): void {
  if (!state.members.has(id) || state.drains.has(id)) return;
  const seen = [...state.members.entries()].map(([name, row]): [string, MemberRow] => [
    name,
    { ...row, alive: row.alive && present.has(name), ready: row.ready && ready.has(name) },
  ]);
  const why = interlock({ members: new Map(seen), drains: state.drains }, id);
  if (why === null) return;
  throw new FlotillaError('CONFLICT', `${id} is not drained: ${why}; force=true does it nevertheless`);
}
