/**
 * Proposals of this node's callers, from submission to the result of their application here.
 *
 * A proposal is tried again, silently and until its deadline, only when it surely had no effect: it was refused, it never
 * left, or an entry of a later term was applied here. The last needs a word: a proposal is good for one term only, so it
 * stands, if anywhere, among entries of that term; once an entry of a later term is applied, every entry of the earlier
 * one that will ever be committed has been applied before it. What cannot be told so ends in UNKNOWN_OUTCOME.
 */
import type { Proposal, ProposalOutcome } from '../core/events.ts';
import type { ConfChange, Entry, Index, ReplicaId, Term } from '../core/types.ts';
import { PROPOSALS_PENDING_MAX_BYTES, PROPOSALS_PENDING_MAX_COUNT, RETRY_AFTER_MS } from './limits.ts';
import { isTransient, raftError, refusalError } from './pending.ts';
import type { Outlook, Waiter } from './pending.ts';

export interface Committed {
  readonly index: Index;
  readonly term: Term;
  /** What the state machine returned for this command. */
  readonly result: unknown;
}

/** Handed to the core in this very step: which term it is good for will be known when the step is over. */
const TERM_UNKNOWN = Infinity;

interface Pending extends Submission {
  /** A new one for each attempt: a late answer to an earlier one must not be taken for the answer to this one. */
  seq: number;
  /** `waiting`: it had no effect so far. `sent`: it stands in a log of `term`, or will, or is lost. */
  state: 'waiting' | 'sent';
  term: Term;
  retryAtMs: number;
}

export interface Submission extends Waiter<Committed> {
  readonly data: Uint8Array;
  readonly change: ConfChange | null;
  /** Meant for the cluster as it is now: not tried again under another leader. */
  readonly once: boolean;
  readonly startedMs: number;
}

export class Proposals {
  readonly #self: ReplicaId;
  readonly #pending = new Map<number, Pending>();
  readonly #commitSeconds: ((seconds: number) => void) | undefined;
  /** For the next event. */
  #batch: Pending[] = [];
  /** Without effect so far; tried again a little later, or when a leader is known. */
  #resting: Pending[] = [];
  #bytes = 0;
  #nextSeq: number;
  /** Highest term of an applied entry. */
  #appliedTerm: Term = 0;

  constructor(options: {
    readonly self: ReplicaId;
    readonly firstSeq: number;
    readonly commitSeconds: ((seconds: number) => void) | undefined;
  }) {
    this.#self = options.self;
    this.#nextSeq = options.firstSeq;
    this.#commitSeconds = options.commitSeconds;
  }

  get count(): number {
    return this.#pending.size;
  }

  /** True where something waits to be handed to the core. */
  get ready(): boolean {
    return this.#batch.length > 0;
  }

  submit(submission: Submission): void {
    const bytes = this.#bytes + submission.data.length;
    if (this.#pending.size >= PROPOSALS_PENDING_MAX_COUNT || bytes > PROPOSALS_PENDING_MAX_BYTES) {
      submission.reject(raftError('OVERLOADED', null));
      return;
    }
    const seq = this.#nextSeq++;
    const pending: Pending = { ...submission, seq, state: 'waiting', term: TERM_UNKNOWN, retryAtMs: 0 };
    this.#bytes = bytes;
    this.#pending.set(seq, pending);
    this.#batch.push(pending);
  }

  /** Everything that waits, for one event; membership changes apart, since each is an event of its own. */
  take(): { readonly proposals: Proposal[]; readonly changes: { seq: number; change: ConfChange }[] } {
    const proposals: Proposal[] = [];
    const changes: { seq: number; change: ConfChange }[] = [];
    for (const pending of this.#batch) {
      if (!this.#pending.has(pending.seq)) continue;
      pending.state = 'sent';
      pending.term = TERM_UNKNOWN;
      if (pending.change) changes.push({ seq: pending.seq, change: pending.change });
      else proposals.push({ seq: pending.seq, data: pending.data });
    }
    this.#batch = [];
    return { proposals, changes };
  }

  /** Forwarded to the leader of this term; `left`: false where the message was dropped before it left. */
  forwarded(seqs: readonly number[], term: Term, left: boolean, nowMs: number): void {
    for (const seq of seqs) {
      const pending = this.#pending.get(seq);
      if (!pending) continue;
      if (left) pending.term = term;
      else this.#rest(pending, nowMs);
    }
  }

  outcomes(outcomes: readonly ProposalOutcome[], nowMs: number, outlook: Outlook): void {
    for (const outcome of outcomes) {
      const pending = this.#pending.get(outcome.seq);
      if (!pending) continue;
      if (outcome.accepted) {
        if (pending.term === TERM_UNKNOWN) pending.term = outcome.term;
      } else if (isTransient(outcome.refused) && nowMs < pending.deadlineMs) {
        this.#rest(pending, nowMs);
      } else {
        this.#forget(pending);
        pending.reject(refusalError(outcome.refused, outlook));
      }
    }
  }

  /** An entry was applied here with this result. */
  applied(entry: Entry, result: unknown, nowMs: number): void {
    if (entry.term > this.#appliedTerm) {
      this.#appliedTerm = entry.term;
      for (const pending of this.#pending.values()) {
        if (pending.state === 'sent' && pending.term < entry.term) this.#rest(pending, nowMs);
      }
    }
    if (entry.origin !== this.#self) return;
    const pending = this.#pending.get(entry.seq);
    if (!pending) return;
    this.#forget(pending);
    this.#commitSeconds?.((nowMs - pending.startedMs) / 1000);
    pending.resolve({ index: entry.index, term: entry.term, result });
  }

  /** A snapshot with entries up to this term replaced the log: what it holds is not applied one by one any more. */
  skippedTo(term: Term): void {
    this.#appliedTerm = Math.max(this.#appliedTerm, term);
    for (const pending of this.#pending.values()) {
      if (pending.state !== 'sent' || pending.term > term) continue;
      this.#forget(pending);
      pending.reject(raftError('UNKNOWN_OUTCOME', null));
    }
  }

  /** Retries. `leaderChanged`: rested long enough. */
  retry(nowMs: number, leaderChanged: boolean): void {
    if (this.#resting.length === 0) return;
    const resting = this.#resting;
    this.#resting = [];
    for (const pending of resting) {
      if (!this.#pending.has(pending.seq)) continue;
      (leaderChanged || pending.retryAtMs <= nowMs ? this.#batch : this.#resting).push(pending);
    }
  }

  /** Deadlines. */
  expire(nowMs: number, outlook: Outlook): void {
    for (const pending of this.#pending.values()) {
      if (pending.deadlineMs > nowMs) continue;
      this.#forget(pending);
      if (pending.state === 'waiting') pending.reject(refusalError('no-leader', outlook));
      else pending.reject(raftError('UNKNOWN_OUTCOME', outlook.leader));
    }
  }

  /** The node stops: what was sent may still be committed by the others. */
  stop(): void {
    for (const pending of this.#pending.values()) {
      pending.reject(raftError(pending.state === 'waiting' ? 'STOPPED' : 'UNKNOWN_OUTCOME', null));
    }
    this.#pending.clear();
    this.#batch = [];
    this.#resting = [];
    this.#bytes = 0;
  }

  #rest(pending: Pending, nowMs: number): void {
    if (pending.once) {
      this.#forget(pending);
      pending.reject(raftError('NO_LEADER', null));
      return;
    }
    this.#pending.delete(pending.seq);
    pending.seq = this.#nextSeq++;
    this.#pending.set(pending.seq, pending);
    pending.state = 'waiting';
    pending.retryAtMs = nowMs + RETRY_AFTER_MS;
    this.#resting.push(pending);
  }

  #forget(pending: Pending): void {
    if (this.#pending.delete(pending.seq)) this.#bytes -= pending.data.length;
  }
}
