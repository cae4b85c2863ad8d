/**
 * Where to reach the other replicas: what they announced, else what formation or joining told, else the settings. A
 * replica that cannot be placed is left out; it will announce itself when it reaches us.
 */
import type { ConfState, PeerAddress } from '@flotilla/raft';
import type { HostPort } from '../ports.ts';
import type { ReadonlyState } from '../state/index.ts';
import { nameOf } from './host.ts';
import { replicasOf } from './membership.ts';

export interface AddressSources {
  /** This node. */
  readonly self: string;
  readonly conf: ConfState;
  readonly state: ReadonlyState;
  /** By replica: from formation or the answer to a join. */
  readonly told: ReadonlyMap<string, HostPort>;
  readonly peers: readonly { readonly id: string; readonly host: string; readonly port: number }[];
}

export function peerAddresses({ self, conf, state, told, peers }: AddressSources): PeerAddress[] {
  const members = replicasOf(conf);
  // A node that has just joined knows the first members only. Whoever leads now may not be one of them, and is the only one
  // who can tell: refused as a stranger, it never could.
  const known = members.includes(self) ? members : [...new Set([...members, ...told.keys()])];
  return known.flatMap((replica) => {
    const name = nameOf(replica);
    const member = state.members.get(name);
    const announced = member?.replica === replica ? parseHostPort(member.raft) : null;
    const found = announced ?? told.get(replica) ?? peers.find((peer) => peer.id === name);
    return found === undefined ? [] : [{ replica, host: found.host, port: found.port }];
  });
}

/** `host:port` or `[v6]:port`. */
export function parseHostPort(text: string): HostPort | null {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  if (match === null) return null;
  return { host: match[1] ?? match[2] ?? '', port: Number(match[3]) };
}

export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
