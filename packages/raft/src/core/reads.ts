/**
 * Linearizable reads without writing to the log (ReadIndex, §6.4 of the thesis). The leader notes its commit index, makes
 * sure by one round of heartbeats that it still leads, and answers with the index that a reader has to wait for.
 *
 * A round confirms every read that was asked before it was sent. Rounds are numbered; answers are counters, never sets of
 * ids, so a late or duplicated answer can only confirm what it could have confirmed in time (etcd#20418).
 */
import type { ProposalRefusal, ReadIndexRequest, ReadIndexResponse } from './messages.ts';
import { send } from './outbox.ts';
import { quorumValue } from './quorum.ts';
import type { Leadership, PendingRead, RaftState } from './state.ts';
import type { ReplicaId } from './types.ts';

/** Answers every read that waits at this leader: it leads no more. */
export function failReads(s: RaftState, refused: ProposalRefusal): void {
  for (const read of s.leading?.reads ?? []) refuse(s, read.from, read.seq, refused);
}

export function failForwardedReads(s: RaftState, refused: ProposalRefusal): void {
  for (const seq of s.forwardedReads.keys()) s.effects.push({ type: 'read-failed', seq, refused });
  s.forwardedReads.clear();
}

/** Requests or answers get lost; the caller must not wait for ever. It may ask again under a new number. */
export function expireForwardedReads(s: RaftState): void {
  for (const [seq, deadlineMs] of s.forwardedReads) {
    if (deadlineMs > s.nowMs) return;
    s.forwardedReads.delete(seq);
    s.effects.push({ type: 'read-failed', seq, refused: 'no-quorum' });
  }
}

function refuse(s: RaftState, from: ReplicaId, seq: number, refused: ProposalRefusal): void {
  if (from === s.self) s.effects.push({ type: 'read-failed', seq, refused });
  else send(s, from, { type: 'read-index-response', term: s.term, seq, index: 0, refused });
}

function grant(s: RaftState, read: PendingRead): void {
  const { from, seq, index } = read;
  if (from === s.self) s.effects.push({ type: 'read-ready', seq, index });
  else send(s, from, { type: 'read-index-response', term: s.term, seq, index, refused: null });
}

/** A caller of this replica asks for a read position. */
export function requestRead(s: RaftState, seq: number): void {
  if (s.leading !== null) return enqueue(s, s.leading, s.self, seq);
  if (s.leader === null) return refuse(s, s.self, seq, 'no-leader');
  if (s.forwardedReads.size >= s.config.maxPendingReads) return refuse(s, s.self, seq, 'overloaded');
  s.forwardedReads.set(seq, s.nowMs + s.config.electionMaxMs);
  send(s, s.leader, { type: 'read-index', term: s.term, seq });
}

export function handleReadIndex(s: RaftState, from: ReplicaId, message: ReadIndexRequest): void {
  if (s.leading === null) refuse(s, from, message.seq, 'not-leader');
  else enqueue(s, s.leading, from, message.seq);
}

export function handleReadIndexResponse(s: RaftState, message: ReadIndexResponse): void {
  const { seq, index, refused } = message;
  if (!s.forwardedReads.delete(seq)) return;
  if (refused === null) s.effects.push({ type: 'read-ready', seq, index });
  else s.effects.push({ type: 'read-failed', seq, refused });
}

function enqueue(s: RaftState, leading: Leadership, from: ReplicaId, seq: number): void {
  if (leading.reads.length >= s.config.maxPendingReads) return refuse(s, from, seq, 'overloaded');
  // Before its first commit a leader may not know of everything that is committed (etcd#7331): the index comes later.
  const index = s.commit >= leading.termStart ? s.commit : -1;
  leading.reads.push({ seq, from, index, confirmSeq: s.readSeq + 1 });
}

/** The first entry of the term is committed: reads that waited for it get their index. */
export function assignWaitingReads(s: RaftState, leading: Leadership): void {
  for (const read of leading.reads) {
    if (read.index === -1) read.index = s.commit;
  }
}

/** The newest round that a quorum has answered. */
export function confirmedSeq(s: RaftState, leading: Leadership): number {
  return quorumValue(s.conf, (id) => (id === s.self ? Infinity : (leading.progress.get(id)?.readAck ?? 0)));
}

export function releaseReads(s: RaftState, leading: Leadership): void {
  if (leading.reads.length === 0) return;
  const confirmed = confirmedSeq(s, leading);
  let count = 0;
  for (const read of leading.reads) {
    if (read.confirmSeq > confirmed || read.index === -1) break;
    grant(s, read);
    count += 1;
  }
  if (count > 0) leading.reads.splice(0, count);
}

/** True where reads wait for a round that was not sent, and no round is under way that they would crowd. */
export function needsRound(s: RaftState, leading: Leadership): boolean {
  const last = leading.reads.at(-1);
  return last !== undefined && last.confirmSeq > s.readSeq && confirmedSeq(s, leading) >= leading.readSeqSent;
}

/** One heartbeat to everyone; closes the round of reads that wait. */
export function broadcastHeartbeat(s: RaftState, leading: Leadership): void {
  const last = leading.reads.at(-1);
  if (last !== undefined && last.confirmSeq > s.readSeq) s.readSeq += 1;
  leading.readSeqSent = s.readSeq;
  leading.heartbeatDueMs = s.nowMs + s.config.heartbeatMs;
  for (const [id, progress] of leading.progress) {
    const commit = Math.min(progress.match, s.commit);
    send(s, id, { type: 'heartbeat', term: s.term, commit, readSeq: s.readSeq });
  }
}
