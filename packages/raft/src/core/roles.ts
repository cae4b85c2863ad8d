/**
 * Moves between roles (figure 4 of the paper), and nothing else: what a new leader sends or a candidate asks is told in
 * replication and election. The only writer of term, role and leader.
 */
import { assert } from './assert.ts';
import { Progress } from './progress.ts';
import { membersOf } from './quorum.ts';
import { failForwardedReads, failReads } from './reads.ts';
import type { ProposalRefusal } from './messages.ts';
import type { RaftState } from './state.ts';
import type { ReplicaId, Term } from './types.ts';

/** Whoever waits for the leader waits from now on; randomised anew each time (§5.2). */
export function resetElectionDeadline(s: RaftState): void {
  const { config, random } = s;
  const waitMs =
    s.term === 0
      ? random.betweenMs(config.firstElectionMinMs, config.firstElectionMaxMs)
      : random.betweenMs(config.electionMinMs, config.electionMaxMs);
  s.electionDeadlineMs = Math.max(s.nowMs + waitMs, s.patientUntilMs);
}

function setLeader(s: RaftState, leader: ReplicaId | null): void {
  if (s.leader === leader) return;
  s.leader = leader;
  s.patientUntilMs = 0;
  // The old leader's answer may still come, but nobody can say whether: a read is safe to ask again.
  failForwardedReads(s, 'no-leader');
}

function enterTerm(s: RaftState, term: Term): void {
  assert(term >= s.term, 'the term never falls');
  if (term === s.term) return;
  s.term = term;
  s.vote = null;
  s.matched = 0;
}

function leaveOffice(s: RaftState, refusal: ProposalRefusal): void {
  if (s.leading === null) return;
  failReads(s, refusal);
  s.leading = null;
}

export function becomeFollower(
  s: RaftState,
  term: Term,
  leader: ReplicaId | null,
  refusal: ProposalRefusal = 'not-leader',
): void {
  leaveOffice(s, refusal);
  enterTerm(s, term);
  s.role = 'follower';
  s.votes = new Map();
  setLeader(s, leader);
  resetElectionDeadline(s);
}

/** Asks around without raising the term, so a replica that cannot win disturbs nobody (§9.6 of the thesis). */
export function becomePreCandidate(s: RaftState): void {
  assert(s.role !== 'leader', 'a leader does not campaign');
  s.role = 'pre-candidate';
  s.votes = new Map([[s.self, true]]);
  setLeader(s, null);
  resetElectionDeadline(s);
}

export function becomeCandidate(s: RaftState): void {
  assert(s.role !== 'leader', 'a leader does not campaign');
  assert(s.mayVote, 'a replica that may not vote does not campaign');
  enterTerm(s, s.term + 1);
  s.role = 'candidate';
  s.vote = s.self;
  s.votes = new Map();
  // Counts only once it is on disk.
  s.draft.selfVote = true;
  setLeader(s, null);
  resetElectionDeadline(s);
}

export function becomeLeader(s: RaftState): void {
  assert(s.role === 'candidate', 'only a candidate becomes leader');
  const termStart = s.log.lastIndex + 1;
  s.role = 'leader';
  s.leading = {
    progress: new Map(
      membersOf(s.conf)
        .filter((id) => id !== s.self)
        .map((id) => [id, new Progress(termStart, s.nowMs)]),
    ),
    termStart,
    pendingConfIndex: termStart,
    uncommittedBytes: 0,
    farewell: 0,
    heartbeatDueMs: s.nowMs + s.config.heartbeatMs,
    commitDueMs: Infinity,
    quorumGraceMs: s.nowMs + s.config.electionMaxMs,
    confirmSeq: 0,
    reads: [],
    readSeqSent: 0,
    transfer: null,
    reports: new Map(),
    diverged: new Set(),
  };
  s.electionDeadlineMs = Infinity;
  setLeader(s, s.self);
}
