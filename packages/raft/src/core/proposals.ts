/**
 * Proposals: taken by the leader, or forwarded to it at most once. Every one gets a distinct answer. A refusal means that
 * nothing happened; an acceptance names the index whose application decides. A forwarded proposal whose answer is lost
 * gets none here: its outcome is unknown, and only the entry (origin, seq) in the log can tell.
 */
import { ENTRY_OVERHEAD_BYTES } from './config.ts';
import type { ProposalOutcome, Proposal } from './events.ts';
import { appendConfChange } from './membership.ts';
import type { ForwardResponse, ForwardedConf, ForwardedProposals, ProposalRefusal } from './messages.ts';
import { send } from './outbox.ts';
import { confirmedSeq } from './reads.ts';
import { appendAsLeader, type NewEntry } from './replication.ts';
import type { Leadership, RaftState } from './state.ts';
import { EntryKind, type ConfChange, type ReplicaId } from './types.ts';

/** Why this leader takes nothing at the moment, or null. */
function officeRefusal(s: RaftState, leading: Leadership): ProposalRefusal | null {
  if (leading.transfer !== null || leading.farewell > 0) return 'transferring';
  if (s.diskFull) return 'disk-full';
  // After a stall another may lead; accepting now would only make callers wait for nothing.
  if (leading.confirmSeq > confirmedSeq(s, leading)) return 'no-quorum';
  return null;
}

/** One outcome per proposal, in order; what fits the limits is appended in one go. */
function appendProposals(s: RaftState, origin: ReplicaId, proposals: readonly Proposal[]): ProposalOutcome[] {
  const { leading } = s;
  const refuseAll = (refused: ProposalRefusal): ProposalOutcome[] =>
    proposals.map(({ seq }) => ({ seq, accepted: false, refused }));
  if (leading === null) return refuseAll('not-leader');
  const refusal = officeRefusal(s, leading);
  if (refusal !== null) return refuseAll(refusal);
  if (s.commit - s.applied > s.config.maxUnappliedEntries) return refuseAll('overloaded');

  const accepted: NewEntry[] = [];
  let uncommittedBytes = leading.uncommittedBytes;
  for (const { seq, data } of proposals) {
    const bytes = data.length + ENTRY_OVERHEAD_BYTES;
    // One oversized proposal may pass when nothing else waits, or it could never pass.
    if (uncommittedBytes > 0 && uncommittedBytes + bytes > s.config.maxUncommittedBytes) break;
    uncommittedBytes += bytes;
    accepted.push({ kind: EntryKind.normal, origin, seq, data });
  }
  const first = accepted.length === 0 ? 0 : appendAsLeader(s, leading, accepted);
  return proposals.map(({ seq }, offset) =>
    offset < accepted.length
      ? { seq, accepted: true, index: first + offset, term: s.term }
      : { seq, accepted: false, refused: 'overloaded' },
  );
}

/** Callers of this replica propose. */
export function propose(s: RaftState, proposals: readonly Proposal[]): void {
  if (proposals.length === 0) return;
  if (s.leading === null && s.leader !== null) return forward(s, s.leader, proposals);
  const outcomes: ProposalOutcome[] =
    s.leading === null
      ? proposals.map(({ seq }) => ({ seq, accepted: false, refused: 'no-leader' }))
      : appendProposals(s, s.self, proposals);
  s.effects.push({ type: 'proposed', outcomes });
}

function forward(s: RaftState, leader: ReplicaId, proposals: readonly Proposal[]): void {
  let batch: Proposal[] = [];
  let batchBytes = 0;
  const flush = (): void => {
    if (batch.length > 0) send(s, leader, { type: 'forward', term: s.term, proposals: batch });
    batch = [];
    batchBytes = 0;
  };
  for (const proposal of proposals) {
    const bytes = proposal.data.length + ENTRY_OVERHEAD_BYTES;
    if (batchBytes + bytes > s.config.maxAppendBytes) flush();
    batch.push(proposal);
    batchBytes += bytes;
  }
  flush();
}

/**
 * A request is good for the term in which it was sent only: its sender may conclude from a committed entry of a later term
 * that it was lost, and propose it again.
 */
export function handleForward(s: RaftState, from: ReplicaId, message: ForwardedProposals): void {
  const late = message.term !== s.term;
  const outcomes: ProposalOutcome[] = late
    ? message.proposals.map(({ seq }) => ({ seq, accepted: false, refused: 'not-leader' }))
    : appendProposals(s, from, message.proposals);
  answer(s, from, outcomes);
}

/** A caller of this replica wants the membership changed. */
export function proposeConf(s: RaftState, seq: number, change: ConfChange): void {
  if (s.leading === null && s.leader !== null) {
    send(s, s.leader, { type: 'forward-conf', term: s.term, seq, change });
    return;
  }
  const outcome: ProposalOutcome =
    s.leading === null ? { seq, accepted: false, refused: 'no-leader' } : appendConf(s, s.self, { seq, change });
  s.effects.push({ type: 'proposed', outcomes: [outcome] });
}

export function handleForwardConf(s: RaftState, from: ReplicaId, message: ForwardedConf): void {
  const { seq } = message;
  const late = message.term !== s.term;
  answer(s, from, [late ? { seq, accepted: false, refused: 'not-leader' } : appendConf(s, from, message)]);
}

function appendConf(
  s: RaftState,
  origin: ReplicaId,
  { seq, change }: { readonly seq: number; readonly change: ConfChange },
): ProposalOutcome {
  if (s.leading === null) return { seq, accepted: false, refused: 'not-leader' };
  const refused = officeRefusal(s, s.leading);
  if (refused !== null) return { seq, accepted: false, refused };
  const result = appendConfChange(s, s.leading, change, { origin, seq });
  if (typeof result === 'string') return { seq, accepted: false, refused: result };
  return { seq, accepted: true, index: result, term: s.term };
}

function answer(s: RaftState, to: ReplicaId, outcomes: readonly ProposalOutcome[]): void {
  const results = outcomes.map((outcome) =>
    outcome.accepted
      ? { seq: outcome.seq, index: outcome.index, entryTerm: outcome.term, refused: null }
      : { seq: outcome.seq, index: 0, entryTerm: 0, refused: outcome.refused },
  );
  send(s, to, { type: 'forward-response', term: s.term, results });
}

export function handleForwardResponse(s: RaftState, message: ForwardResponse): void {
  const outcomes = message.results.map(
    ({ seq, index, entryTerm, refused }): ProposalOutcome =>
      refused === null ? { seq, accepted: true, index, term: entryTerm } : { seq, accepted: false, refused },
  );
  s.effects.push({ type: 'proposed', outcomes });
}
