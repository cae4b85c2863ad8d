/**
 * Elections: pre-vote, vote, tally (§5.2, §5.4.1; §9.6 and §4.2.3 of the thesis), and a leader's check that a quorum
 * still hears it. A leader is left alone by everyone who heard it lately (stickiness), so nobody is deposed by a replica
 * that merely came back.
 */
import type { VoteRequest, VoteResponse } from './messages.ts';
import { send, sendDurable } from './outbox.ts';
import { isVoter, membersOf, quorumValue, quorumVote } from './quorum.ts';
import { appendAsLeader } from './replication.ts';
import { becomeCandidate, becomeFollower, becomeLeader, becomePreCandidate, resetElectionDeadline } from './roles.ts';
import type { Leadership, RaftState } from './state.ts';
import { EntryKind, type Index, type ReplicaId, type Term } from './types.ts';

const NO_DATA = new Uint8Array(0);

function hasConfBetween(s: RaftState, after: Index, to: Index): boolean {
  return s.log.firstConfIndex(after + 1, to) !== null;
}

/** May this replica stand for election? Not with a committed change that it has not put in force (etcd#7625). */
export function isPromotable(s: RaftState): boolean {
  return (
    s.mayVote && isVoter(s.conf, s.self) && !s.installing && !s.diskStalled && !hasConfBetween(s, s.applying, s.commit)
  );
}

/** No leader was heard for too long. */
export function handleElectionTimeout(s: RaftState): void {
  if (isPromotable(s)) campaign(s, { pre: true, transfer: false });
  else becomeFollower(s, s.term, null);
}

export function campaign(s: RaftState, kind: { readonly pre: boolean; readonly transfer: boolean }): void {
  s.campaignTransfer = kind.transfer;
  if (kind.pre) becomePreCandidate(s);
  else becomeCandidate(s);
  for (const peer of membersOf(s.conf)) {
    if (peer !== s.self && isVoter(s.conf, peer)) requestVote(s, peer);
  }
  // Alone, or the last of its half: nobody else to ask.
  if (kind.pre) tally(s);
}

function requestVote(s: RaftState, peer: ReplicaId): void {
  const pre = s.role === 'pre-candidate';
  const request: VoteRequest = {
    type: 'vote',
    term: pre ? s.term + 1 : s.term,
    pre,
    lastIndex: s.log.lastIndex,
    lastTerm: s.log.lastTerm,
    transfer: s.campaignTransfer,
    ...knownCommit(s),
  };
  // A real candidacy is a vote for oneself; it must be on disk before anybody hears of it.
  if (pre) send(s, peer, request);
  else sendDurable(s, peer, request);
}

/** A link came up while we ask for votes: the request may have been lost with the old one. */
export function repeatVoteRequest(s: RaftState, peer: ReplicaId): void {
  const asking = s.role === 'pre-candidate' || s.role === 'candidate';
  if (asking && isVoter(s.conf, peer) && !s.votes.has(peer)) requestVote(s, peer);
}

function knownCommit(s: RaftState): { readonly commit?: Index; readonly commitTerm?: Term } {
  const commitTerm = s.log.termAt(s.commit);
  return commitTerm === undefined || s.commit === 0 ? {} : { commit: s.commit, commitTerm };
}

/** What is committed stays so in every term: take it from anyone, if we have that very entry (raft-rs does the same). */
export function learnCommit(s: RaftState, { commit = 0, commitTerm = 0 }: VoteRequest | VoteResponse): void {
  if (s.leading !== null || commit <= s.commit || s.log.termAt(commit) !== commitTerm) return;
  const changes = hasConfBetween(s, s.commit, commit);
  s.commit = commit;
  if (!changes || s.role === 'follower') return;
  // Those we asked may not be those who decide any more: ask again.
  becomeFollower(s, s.term, null);
  retrySoon(s);
}

/** A leader in office, heard lately, is not to be deposed. */
export function inLease(s: RaftState): boolean {
  if (s.leading !== null) return true;
  return s.leader !== null && s.nowMs - s.leaderContactMs < s.config.electionMinMs;
}

/** The term is already adopted where the request is a real one. */
export function handleVoteRequest(s: RaftState, from: ReplicaId, message: VoteRequest): void {
  learnCommit(s, message);
  if (!s.mayVote) return;
  const free = s.vote === from || (s.vote === null && s.leader === null) || (message.pre && message.term > s.term);
  const granted = free && message.term >= s.term && s.log.isUpToDate(message.lastIndex, message.lastTerm);
  if (message.pre) return answerPreVote(s, from, message, granted);
  if (!granted) {
    send(s, from, { type: 'vote-response', term: s.term, pre: false, granted: false, ...knownCommit(s) });
    return;
  }
  s.vote = from;
  resetElectionDeadline(s);
  sendDurable(s, from, { type: 'vote-response', term: s.term, pre: false, granted: true, ...knownCommit(s) });
}

/** A pre-vote binds nobody, so it waits for no disk. A refusal carries our term: it may be what the asker lacks. */
function answerPreVote(s: RaftState, from: ReplicaId, message: VoteRequest, granted: boolean): void {
  if (granted && s.leader === null) {
    s.electionDeadlineMs = Math.max(s.electionDeadlineMs, s.nowMs + s.config.preVoteYieldMs);
  }
  const term = granted ? message.term : s.term;
  if (term > 0) send(s, from, { type: 'vote-response', term, pre: true, granted, ...knownCommit(s) });
}

export function handleVoteResponse(s: RaftState, from: ReplicaId, message: VoteResponse): void {
  learnCommit(s, message);
  const expected = message.pre ? 'pre-candidate' : 'candidate';
  if (s.role !== expected) return;
  // A grant of an earlier pre-campaign says nothing about this term.
  if (message.pre && message.granted && message.term !== s.term + 1) return;
  recordVote(s, from, message.granted);
}

export function recordVote(s: RaftState, from: ReplicaId, granted: boolean): void {
  if (!s.votes.has(from)) s.votes.set(from, granted);
  tally(s);
}

function tally(s: RaftState): void {
  const result = quorumVote(s.conf, s.votes);
  if (result === 'won') {
    if (s.role === 'pre-candidate') campaign(s, { pre: false, transfer: false });
    else takeOffice(s);
    return;
  }
  const real = s.role === 'candidate';
  if (result === 'lost') becomeFollower(s, s.term, null);
  // Neighbours split the vote: nobody can win this term, so it is no use to wait it out.
  if (real && cannotWin(s, result)) retrySoon(s);
}

function cannotWin(s: RaftState, result: 'lost' | 'pending'): boolean {
  if (result === 'lost') return true;
  const hoped = new Map(s.votes);
  for (const peer of s.down) if (!hoped.has(peer)) hoped.set(peer, false);
  return quorumVote(s.conf, hoped) === 'lost';
}

function retrySoon(s: RaftState): void {
  const { firstElectionMinMs, firstElectionMaxMs } = s.config;
  const soonMs = s.nowMs + s.random.betweenMs(firstElectionMinMs, firstElectionMaxMs);
  s.electionDeadlineMs = Math.min(s.electionDeadlineMs, soonMs);
}

function takeOffice(s: RaftState): void {
  becomeLeader(s);
  const leading = s.leading;
  if (leading === null) return;
  // The no-op lets entries of earlier terms commit (§8), tells us what is committed, and tells the others who leads.
  appendAsLeader(s, leading, [{ kind: EntryKind.noop, origin: '', seq: 0, data: NO_DATA }]);
}

/** The leader's process is gone, as its kernel said: do not wait out the timeout. Voters that still hear it will refuse. */
export function forgetLeader(s: RaftState): void {
  const { failoverMinMs, failoverMaxMs } = s.config;
  becomeFollower(s, s.term, null);
  s.electionDeadlineMs = s.nowMs + s.random.betweenMs(failoverMinMs, failoverMaxMs);
}

/** Newest time at which a quorum had answered. */
export function quorumContactMs(s: RaftState, leading: Leadership): number {
  const contact = quorumValue(s.conf, (id) =>
    id === s.self ? s.nowMs : (leading.progress.get(id)?.lastContactMs ?? -Infinity),
  );
  return Math.min(contact, s.nowMs);
}

/** CheckQuorum: a leader that no quorum answers leaves office, so that its callers learn it and others may be elected. */
export function checkQuorum(s: RaftState, leading: Leadership): boolean {
  if (s.nowMs < leading.quorumGraceMs) return true;
  if (s.nowMs - quorumContactMs(s, leading) <= s.config.electionMaxMs) return true;
  becomeFollower(s, s.term, null, 'no-quorum');
  return false;
}
