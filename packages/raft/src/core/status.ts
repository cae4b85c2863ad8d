/** Renders the state for those outside: metrics, API, tests. Copies, never hands out what the core goes on writing. */
import { quorumContactMs } from './election.ts';
import { isConfPending } from './membership.ts';
import type { CoreStatus, PeerStatus } from './port.ts';
import { isVoter } from './quorum.ts';
import type { RaftState } from './state.ts';

function peersOf(s: RaftState, nowMs: number): PeerStatus[] {
  return [...(s.leading?.progress ?? [])].map(([id, progress]) => ({
    id,
    voter: isVoter(s.conf, id),
    state: progress.state,
    match: progress.match,
    next: progress.next,
    inflightMessages: progress.inflights.count,
    inflightBytes: progress.inflights.bytes,
    silentMs: Math.max(0, nowMs - progress.lastContactMs),
  }));
}

export function describeStatus(s: RaftState, nowMs: number, halted: boolean): CoreStatus {
  const { leading } = s;
  const leaderSilentMs = leading === null ? Math.max(0, nowMs - s.leaderContactMs) : 0;
  const quorumSilentMs = leading === null ? leaderSilentMs : nowMs - Math.min(nowMs, quorumContactMs(s, leading));
  return {
    self: s.self,
    role: s.role,
    term: s.term,
    vote: s.vote,
    leader: s.leader,
    quorum: !halted && s.leader !== null && quorumSilentMs < s.config.electionMinMs,
    leaderSilentMs,
    firstIndex: s.log.firstIndex,
    lastIndex: s.log.lastIndex,
    durableIndex: s.durable,
    commit: s.commit,
    applying: s.applying,
    applied: s.applied,
    snapshotIndex: s.snapshot?.index ?? 0,
    conf: s.conf,
    confPending: leading !== null && isConfPending(s, leading),
    mayVote: s.mayVote,
    transferringTo: leading?.transfer?.to ?? null,
    uncommittedBytes: leading?.uncommittedBytes ?? 0,
    pendingReads: (leading?.reads.length ?? 0) + s.forwardedReads.size,
    peers: peersOf(s, nowMs),
    halted,
  };
}
