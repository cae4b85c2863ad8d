/**
 * What a node says of itself and of the members, as the API shows it. Pure: facts in, plain objects out.
 */
import type { RaftStatus } from '@flotilla/raft';
import type { DrainRow, ReadonlyState } from '../state/index.ts';
import { finite, incarnationOf, nameOf } from './host.ts';
import type { CertificateAge } from '../secrets/credential-store.ts';
import type { PeerView } from './peers.ts';

export interface ThreadView {
  readonly id: number;
  readonly activeRevision: number;
  readonly connections: number;
}

export interface StatusView {
  readonly node: {
    readonly id: string;
    readonly incarnation: string;
    readonly version: string;
    readonly startedAt: string;
  };
  readonly clusterName: string;
  readonly role: 'leader' | 'follower' | 'candidate' | 'learner';
  readonly term: number;
  readonly leader: { readonly id: string; readonly api: string } | null;
  readonly quorum: boolean;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly revision: number;
  readonly digest: string;
  readonly staleMs: number | null;
  readonly draining: boolean;
  readonly ready: boolean;
  readonly reasons: readonly string[];
  /** The node's own, and those of the configuration that end soon. */
  readonly certificates: readonly CertificateAge[];
  /** What will need a hand before long, though all is well now. */
  readonly warnings: readonly string[];
  readonly proxyThreads: readonly ThreadView[];
  readonly eventLoopDelayMs: number;
  readonly uptimeMs: number;
}

export interface MemberView {
  readonly id: string;
  readonly incarnation: string;
  readonly raft: string;
  readonly api: string;
  readonly role: 'leader' | 'follower' | 'learner' | 'none';
  readonly voter: boolean;
  readonly alive: boolean;
  readonly ready: boolean;
  readonly reasons: readonly string[];
  readonly matchIndex: number | null;
  /** Age of what is known of it; null where it never answered. */
  readonly lagMs: number | null;
  readonly version: string;
  /** The cluster uses the lowest of them, once all are known. */
  readonly featureLevel: number;
  readonly drain: DrainView | null;
}

export interface DrainView {
  readonly id: string;
  readonly phase: DrainRow['phase'];
  readonly since: number;
  readonly startedAt: number;
  readonly propagationMs: number;
  readonly deadlineMs: number;
  readonly reason: string;
  readonly connections: number | null;
}

export function drainView(row: DrainRow): DrainView {
  const { id, phase, phaseSinceMs, startedMs, propagationMs, deadlineMs, reason, connections } = row;
  return { id, phase, since: phaseSinceMs, startedAt: startedMs, propagationMs, deadlineMs, reason, connections };
}

/** `role` of a node in its own eyes. */
export function ownRole(status: RaftStatus): StatusView['role'] {
  if (status.role === 'leader') return 'leader';
  if (status.role === 'follower') return status.conf.learners.includes(status.self) ? 'learner' : 'follower';
  return 'candidate';
}

export interface MembersFacts {
  readonly state: ReadonlyState;
  readonly status: RaftStatus;
  readonly peer: (id: string) => PeerView;
  readonly self: { readonly ready: boolean; readonly reasons: readonly string[] };
  /** By `performance.now`. */
  readonly nowMs: number;
}

export function memberViews({ state, status, peer, self, nowMs }: MembersFacts): MemberView[] {
  return state.members.sortedKeys().flatMap((id) => {
    const row = state.members.get(id);
    if (row === undefined) return [];
    const own = row.replica === status.self;
    // Without a quorum nobody decides who is alive: what this node sees for itself is all there is. With one the cluster does, also
    // of this node: one that has just come back is not counted in yet.
    const seen = status.quorum ? row : peer(id);
    const alive = 'reachable' in seen ? own || seen.reachable : seen.alive;
    const progress = status.peers.find((each) => each.id === row.replica);
    const view = peer(id);
    const voter = status.conf.voters.includes(row.replica);
    const drain = state.drains.get(id);
    return [
      {
        id,
        incarnation: incarnationOf(row.replica),
        raft: row.raft,
        api: row.api,
        role: memberRole(row.replica, status),
        voter,
        alive,
        ready: own ? self.ready : alive && seen.ready,
        reasons: own ? self.reasons : seen.reasons,
        matchIndex: own ? status.lastIndex : (progress?.match ?? (view.reachable ? view.appliedIndex : null)),
        lagMs: own ? 0 : finite(progress?.silentMs ?? (view.reachable ? nowMs - view.atMs : undefined)),
        version: row.version,
        featureLevel: row.featureLevel,
        drain: drain === undefined ? null : drainView(drain),
      },
    ];
  });
}

function memberRole(replica: string, status: RaftStatus): MemberView['role'] {
  if (replica === status.leader) return 'leader';
  const { voters, votersOutgoing, learners } = status.conf;
  if (voters.includes(replica) || votersOutgoing.includes(replica)) return 'follower';
  return learners.includes(replica) ? 'learner' : 'none';
}

export function leaderView(leader: string | null, api: string): StatusView['leader'] {
  return leader === null ? null : { id: nameOf(leader), api };
}
