/**
 * Linearizable read positions. Callers of one loop turn share a round of ReadIndex; a caller never joins a round that
 * began before it asked, because that round's answer may be older than the caller's question.
 */
import type { ProposalRefusal } from '../core/messages.ts';
import type { Index } from '../core/types.ts';
import type { RaftError } from './errors.ts';
import { READ_ROUNDS_MAX_COUNT, READS_PENDING_MAX_COUNT, RETRY_AFTER_MS } from './limits.ts';
import { isTransient, raftError, refusalError } from './pending.ts';
import type { Outlook, Waiter } from './pending.ts';

interface Confirmed {
  readonly index: Index;
  readonly callers: Waiter<Index>[];
}

export class Reads {
  #nextSeq: number;
  /** Callers that no round serves yet. */
  #waiting: Waiter<Index>[] = [];
  #restUntilMs = 0;
  readonly #rounds = new Map<number, Waiter<Index>[]>();
  /** Confirmed, but the position is not applied here yet. */
  #confirmed: Confirmed[] = [];
  #count = 0;

  constructor(firstSeq: number) {
    this.#nextSeq = firstSeq;
  }

  submit(waiter: Waiter<Index>): void {
    if (this.#count >= READS_PENDING_MAX_COUNT) {
      waiter.reject(raftError('OVERLOADED', null));
      return;
    }
    this.#count++;
    this.#waiting.push(waiter);
  }

  /** Sequence number of a round to begin now, or null. */
  take(nowMs: number): number | null {
    if (this.#waiting.length === 0 || nowMs < this.#restUntilMs || this.#rounds.size >= READ_ROUNDS_MAX_COUNT) {
      return null;
    }
    const seq = this.#nextSeq++;
    this.#rounds.set(seq, this.#waiting);
    this.#waiting = [];
    return seq;
  }

  ready(seq: number, index: Index, applied: Index): void {
    const callers = this.#rounds.get(seq);
    if (!callers) return;
    this.#rounds.delete(seq);
    if (index <= applied) this.#settle(callers, index);
    else this.#confirmed.push({ index, callers });
  }

  failed(options: {
    readonly seq: number;
    readonly refused: ProposalRefusal;
    readonly nowMs: number;
    readonly outlook: Outlook;
  }): void {
    const callers = this.#rounds.get(options.seq);
    if (!callers) return;
    this.#rounds.delete(options.seq);
    if (isTransient(options.refused)) {
      this.#waiting = callers.concat(this.#waiting);
      this.#restUntilMs = options.nowMs + RETRY_AFTER_MS;
      return;
    }
    for (const caller of callers) this.#reject(caller, refusalError(options.refused, options.outlook));
  }

  applied(index: Index): void {
    if (this.#confirmed.length === 0) return;
    const later: Confirmed[] = [];
    for (const round of this.#confirmed) {
      if (round.index <= index) this.#settle(round.callers, round.index);
      else later.push(round);
    }
    this.#confirmed = later;
  }

  /** Deadlines; `leaderChanged` ends the rest after a refusal and drops rounds that the former leader will not answer. */
  sweep(nowMs: number, leaderChanged: boolean, outlook: Outlook): void {
    if (leaderChanged) {
      this.#restUntilMs = 0;
      for (const callers of this.#rounds.values()) this.#waiting = callers.concat(this.#waiting);
      this.#rounds.clear();
    }
    if (this.#count === 0) return;
    const keep = (callers: Waiter<Index>[]): Waiter<Index>[] =>
      callers.filter((caller) => {
        if (caller.deadlineMs > nowMs) return true;
        this.#reject(caller, refusalError('no-leader', outlook));
        return false;
      });
    this.#waiting = keep(this.#waiting);
    for (const [seq, callers] of this.#rounds) {
      const kept = keep(callers);
      if (kept.length === 0) this.#rounds.delete(seq);
      else this.#rounds.set(seq, kept);
    }
    this.#confirmed = this.#confirmed
      .map(({ index, callers }) => ({ index, callers: keep(callers) }))
      .filter(({ callers }) => callers.length > 0);
  }

  stop(): void {
    const error = raftError('STOPPED', null);
    for (const caller of this.#waiting) caller.reject(error);
    for (const callers of this.#rounds.values()) for (const caller of callers) caller.reject(error);
    for (const { callers } of this.#confirmed) for (const caller of callers) caller.reject(error);
    this.#waiting = [];
    this.#rounds.clear();
    this.#confirmed = [];
    this.#count = 0;
  }

  #settle(callers: readonly Waiter<Index>[], index: Index): void {
    this.#count -= callers.length;
    for (const caller of callers) caller.resolve(index);
  }

  #reject(caller: Waiter<Index>, error: RaftError): void {
    this.#count--;
    caller.reject(error);
  }
}
