/**
 * Proposals of this node's callers, from submission to the result of their application here.
 *
 * A proposal that the core refused did nothing, so it is tried again until its deadline; one that was sent or appended
 * is never sent a second time: if its fate is not heard of in time, the caller is told UNKNOWN_OUTCOME.
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

interface Pending extends Waiter<Committed> {
  readonly seq: number;
  readonly data: Uint8Array;
  readonly change: ConfChange | null;
  readonly startedMs: number;
  /** `waiting`: nothing happened yet. `sent`: handed to the core. `appended`: in some leader's log at `index`. */
  state: 'waiting' | 'sent' | 'appended';
  index: Index;
  retryAtMs: number;
}

export interface Submission extends Waiter<Committed> {
  readonly data: Uint8Array;
  readonly change: ConfChange | null;
  readonly nowMs: number;
}

export class Proposals {
  readonly #self: ReplicaId;
  readonly #pending = new Map<number, Pending>();
  /** Where our appended proposals stand, to notice one that another leader overwrote. */
  readonly #byIndex = new Map<Index, number>();
  readonly #commitSeconds: ((seconds: number) => void) | undefined;
  #batch: Pending[] = [];
  #resting: Pending[] = [];
  #bytes = 0;
  #nextSeq: number;

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
    const { data, change, nowMs, resolve, reject, deadlineMs } = submission;
    if (this.#pending.size >= PROPOSALS_PENDING_MAX_COUNT || this.#bytes + data.length > PROPOSALS_PENDING_MAX_BYTES) {
      reject(raftError('OVERLOADED', null));
      return;
    }
    const pending: Pending = {
      seq: this.#nextSeq++,
      data,
      change,
      startedMs: nowMs,
      state: 'waiting',
      index: 0,
      retryAtMs: 0,
      resolve,
      reject,
      deadlineMs,
    };
    this.#bytes += data.length;
    this.#pending.set(pending.seq, pending);
    this.#batch.push(pending);
  }

  /** Everything that waits, for one event; membership changes apart, since each is an event of its own. */
  take(): { readonly proposals: Proposal[]; readonly changes: { seq: number; change: ConfChange }[] } {
    const proposals: Proposal[] = [];
    const changes: { seq: number; change: ConfChange }[] = [];
    for (const pending of this.#batch) {
      if (!this.#pending.has(pending.seq)) continue;
      pending.state = 'sent';
      if (pending.change) changes.push({ seq: pending.seq, change: pending.change });
      else proposals.push({ seq: pending.seq, data: pending.data });
    }
    this.#batch = [];
    return { proposals, changes };
  }

  outcomes(outcomes: readonly ProposalOutcome[], nowMs: number, outlook: Outlook): void {
    for (const outcome of outcomes) {
      const pending = this.#pending.get(outcome.seq);
      if (!pending) continue;
      if (outcome.accepted) {
        pending.state = 'appended';
        pending.index = outcome.index;
        this.#byIndex.set(outcome.index, outcome.seq);
      } else if (isTransient(outcome.refused) && nowMs < pending.deadlineMs) {
        pending.state = 'waiting';
        pending.retryAtMs = nowMs + RETRY_AFTER_MS;
        this.#resting.push(pending);
      } else {
        this.#forget(pending);
        pending.reject(refusalError(outcome.refused, outlook));
      }
    }
  }

  /** An entry was applied here with this result. */
  applied(entry: Entry, result: unknown, nowMs: number): void {
    const holder = this.#byIndex.get(entry.index);
    if (entry.origin === this.#self) {
      const pending = this.#pending.get(entry.seq);
      if (pending) {
        this.#forget(pending);
        this.#commitSeconds?.((nowMs - pending.startedMs) / 1000);
        pending.resolve({ index: entry.index, term: entry.term, result });
      }
    }
    if (holder === undefined) return;
    this.#byIndex.delete(entry.index);
    if (holder === entry.seq && entry.origin === this.#self) return;
    const overwritten = this.#pending.get(holder);
    if (!overwritten || overwritten.index !== entry.index) return;
    this.#forget(overwritten);
    overwritten.reject(raftError('NO_LEADER', null));
  }

  /** A snapshot replaced the log up to `index`: what stood there will not be applied one by one any more. */
  skippedTo(index: Index): void {
    for (const pending of this.#pending.values()) {
      if (pending.state !== 'appended' || pending.index > index) continue;
      this.#forget(pending);
      pending.reject(raftError('UNKNOWN_OUTCOME', null));
    }
  }

  /** Deadlines and retries. `leaderChanged`: rested long enough. Answers whether something is ready for the core. */
  sweep(nowMs: number, leaderChanged: boolean, outlook: Outlook): boolean {
    if (!leaderChanged) this.#expire(nowMs, outlook);
    if (this.#resting.length > 0) {
      const resting = this.#resting;
      this.#resting = [];
      for (const pending of resting) {
        if (!this.#pending.has(pending.seq)) continue;
        (leaderChanged || pending.retryAtMs <= nowMs ? this.#batch : this.#resting).push(pending);
      }
    }
    return this.ready;
  }

  #expire(nowMs: number, outlook: Outlook): void {
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
    this.#byIndex.clear();
    this.#batch = [];
    this.#resting = [];
    this.#bytes = 0;
  }

  #forget(pending: Pending): void {
    if (!this.#pending.delete(pending.seq)) return;
    this.#bytes -= pending.data.length;
    if (pending.index > 0 && this.#byIndex.get(pending.index) === pending.seq) this.#byIndex.delete(pending.index);
  }
}
