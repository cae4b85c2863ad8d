/**
 * What must hold after every step. `checkTransition` and `checkState` cost O(1) and run in production; a broken one halts
 * the replica. `checkDeep` walks the whole state and runs in tests and simulations.
 */
import { assert } from './assert.ts';
import { isVoter, membersOf } from './quorum.ts';
import type { RaftState } from './state.ts';
import type { Index, ReplicaId, Role, Term } from './types.ts';

export interface Before {
  readonly term: Term;
  readonly vote: ReplicaId | null;
  readonly role: Role;
  readonly commit: Index;
  readonly applying: Index;
  readonly lastIndex: Index;
  readonly readSeq: number;
}

export function remember(s: RaftState): Before {
  const { term, vote, role, commit, applying, readSeq } = s;
  return { term, vote, role, commit, applying, lastIndex: s.log.lastIndex, readSeq };
}

export function checkTransition(before: Before, s: RaftState): void {
  assert(s.term >= before.term, 'the term never falls');
  assert(s.term > before.term || before.vote === null || s.vote === before.vote, 'one vote per term');
  assert(s.commit >= before.commit, 'the commit index never falls');
  assert(s.applying >= before.applying, 'nothing is handed over twice');
  assert(s.readSeq >= before.readSeq, 'read rounds are never used again');
  if (before.role === 'leader' && s.role === 'leader') {
    assert(s.term === before.term, 'a leader keeps its term');
    assert(s.log.lastIndex >= before.lastIndex, 'a leader only appends');
  }
}

export function checkState(s: RaftState): void {
  assert(s.commit <= s.log.lastIndex, 'nothing is committed beyond the log');
  assert(s.durable <= s.log.lastIndex, 'nothing is durable beyond the log');
  assert(s.applied <= s.applying, 'applied only what was handed over');
  assert(s.applying <= s.commit, 'handed over only what is committed');
  assert(s.applying <= s.durable, 'handed over only what is on our disk');
  assert(s.log.lastTerm <= s.term, 'no entry is of a later term than ours');
  assert((s.role === 'leader') === (s.leading !== null), 'leadership exists exactly while leading');
  assert((s.role === 'leader') === (s.leader === s.self), 'a leader knows itself, nobody else is taken for it');
  if (s.role === 'leader' || s.role === 'candidate') {
    assert(s.vote === s.self, 'candidates and leaders voted for themselves');
    assert(s.mayVote, 'a replica that may not vote never stands');
  }
  if (s.leading !== null) assert(s.leading.uncommittedBytes >= 0, 'uncommitted bytes are accounted for');
}

export function checkDeep(s: RaftState): void {
  checkState(s);
  let term = 0;
  for (let index = s.log.firstIndex; index <= s.log.lastIndex; index += 1) {
    const entry = s.log.entryAt(index);
    assert(entry !== undefined && entry.index === index, 'the log is contiguous');
    assert(entry.term >= term && entry.term > 0, 'terms never fall along the log');
    term = entry.term;
  }
  for (const id of s.conf.learners) assert(!isVoter(s.conf, id), 'a learner is no voter');
  for (const id of s.conf.learnersNext) assert(s.conf.votersOutgoing.includes(id), 'only outgoing voters are demoted');
  const { leading } = s;
  if (leading === null) return;
  const members = membersOf(s.conf).filter((id) => id !== s.self);
  assert(members.join() === [...leading.progress.keys()].join(), 'a leader follows every member and nobody else');
  for (const progress of leading.progress.values()) {
    assert(progress.match < progress.next, 'match lies before next');
    assert(progress.match <= s.log.lastIndex, 'no follower has more than the leader');
    assert(progress.readAck <= s.readSeq, 'only rounds that were sent are confirmed');
    assert(progress.inflights.count === 0 || progress.state === 'replicate', 'only replication is pipelined');
  }
}
