/**
 * Feeds committed entries to the state machine in slices of a few milliseconds, so that heartbeats are answered while a
 * backlog is worked off. Order is the log's; a restore waits its turn like everything else. The owner runs the first
 * slice of what it adds; the rest runs by itself.
 */
import type { Entry, EntryRow, Index, SnapshotMeta, Term } from '../core/types.ts';
import {
  APPLY_AT_ONCE_MAX_BYTES,
  APPLY_SLICE_MAX_ENTRIES_COUNT,
  APPLY_SLICE_MAX_MS,
  APPLY_STEP_ENTRIES_COUNT,
  DIGEST_PERIOD_MS,
} from './limits.ts';
import type { ApplyResult, Clock, RaftMetrics, StateMachine } from './ports.ts';

type Work =
  | { readonly type: 'apply'; readonly entries: EntryRow; at: number }
  | { readonly type: 'restore'; readonly meta: SnapshotMeta };

export interface ApplierOptions {
  readonly stateMachine: StateMachine;
  readonly clock: Clock;
  readonly metrics: RaftMetrics;
  /** A digest is taken at every multiple of this index, and of the first entry in each period of log time. */
  readonly digestEvery: number;
  readonly applied: Index;
  readonly appliedTerm: Term;
  readonly onEntries: (entries: readonly Entry[], results: readonly ApplyResult[]) => void;
  /** After each slice; `digest` is '' unless `index` is a checkpoint. */
  readonly onApplied: (index: Index, digest: string) => void;
  readonly restore: (meta: SnapshotMeta) => Promise<void>;
  /** The store gives up the snapshot that it holds for a newer one, whose own restore is sure to follow. */
  readonly isReplacing: () => boolean;
  readonly onRestored: (meta: SnapshotMeta) => void;
  readonly onError: (error: unknown) => void;
}

export class Applier {
  readonly #options: ApplierOptions;
  #queue: Work[] = [];
  /** Last index applied. Invariant: `entries` come without gap from here. */
  index: Index;
  /** Term of the entry at `index`. */
  term: Term;
  /** Period of log time that the last entry belongs to; null before the first: what came before it is not known. */
  #period: number | null = null;
  /** Data of what was added since the last slice, counted until it is too much for this turn. */
  #addedBytes = 0;
  #scheduled = false;
  #restoring = false;
  #stopped = false;

  constructor(options: ApplierOptions) {
    this.#options = options;
    this.index = options.applied;
    this.term = options.appliedTerm;
  }

  add(entries: EntryRow): void {
    if (entries.length === 0) return;
    this.#queue.push({ type: 'apply', entries, at: 0 });
    for (const entry of entries) {
      // More is not asked for, and after a start a whole log comes at once.
      if (this.#addedBytes > APPLY_AT_ONCE_MAX_BYTES) break;
      this.#addedBytes += entry.data.length;
    }
  }

  /** A restore that waits is overtaken by a newer one, with whatever lies between: the store holds only the newest snapshot. */
  restore(meta: SnapshotMeta): void {
    const older = this.#queue.findIndex(({ type }) => type === 'restore');
    if (older >= 0) this.#queue.splice(older);
    this.#queue.push({ type: 'restore', meta });
  }

  stop(): void {
    this.#stopped = true;
    this.#queue = [];
  }

  /**
   * Runs a slice now, unless one is to come anyway or there is nothing to do. True where it ran. Large entries wait for the
   * next turn: what this one has sent leaves first.
   */
  run(): boolean {
    if (this.#queue.length === 0 || this.#scheduled || this.#restoring || this.#stopped) return false;
    if (this.#addedBytes > APPLY_AT_ONCE_MAX_BYTES) {
      this.#runSoon();
      return false;
    }
    this.#slice();
    return true;
  }

  #runSoon(): void {
    if (this.#scheduled || this.#restoring || this.#stopped) return;
    this.#scheduled = true;
    this.#options.clock.immediate(() => {
      this.#scheduled = false;
      this.#slice();
    });
  }

  #slice(): void {
    if (this.#stopped || this.#restoring) return;
    const { clock, metrics } = this.#options;
    const startedMs = clock.nowMs();
    this.#addedBytes = 0;
    let budget = APPLY_SLICE_MAX_ENTRIES_COUNT;
    try {
      while (budget > 0 && !this.#restoring) {
        const work = this.#queue[0];
        if (work === undefined) break;
        if (work.type === 'restore') {
          // What waits here cannot be read any more; the newer one takes its place and goes on.
          if (this.#options.isReplacing()) return;
          this.#queue.shift();
          this.#beginRestore(work.meta);
          break;
        }
        budget -= this.#applyStep(work);
        if (work.at >= work.entries.length) this.#queue.shift();
        if (clock.nowMs() - startedMs > APPLY_SLICE_MAX_MS) break;
      }
    } catch (error) {
      this.stop();
      this.#options.onError(error);
      return;
    }
    metrics.applySliceSeconds?.((clock.nowMs() - startedMs) / 1000);
    if (this.#queue.length > 0) this.#runSoon();
  }

  /** Applies a few entries, never across a checkpoint, and reports them. Answers how many. */
  #applyStep(work: Extract<Work, { type: 'apply' }>): number {
    const { stateMachine, digestEvery } = this.#options;
    const toCheckpoint = digestEvery - (this.index % digestEvery);
    const most = Math.min(work.entries.length - work.at, APPLY_STEP_ENTRIES_COUNT, toCheckpoint);
    const next = nextOf(work, most);
    const toPeriod = this.#entriesToPeriod(next);
    const entries = toPeriod === null || toPeriod === next.length ? next : next.slice(0, toPeriod);
    const first = entries[0];
    const last = entries.at(-1);
    if (first === undefined || last === undefined || first.index !== this.index + 1) {
      throw new Error(`cannot apply from ${first?.index}: applied up to ${this.index}`);
    }
    const results = stateMachine.apply(entries);
    work.at += entries.length;
    this.index = last.index;
    this.term = last.term;
    this.#options.onEntries(entries, results);
    const isCheckpoint = toPeriod !== null || this.index % digestEvery === 0;
    this.#options.onApplied(this.index, isCheckpoint ? stateMachine.digest() : '');
    return entries.length;
  }

  /**
   * How many of the next entries end with the first one of a new period; null where all are of the same. Stamps are
   * in the log, so the checkpoint is at the same index on every replica, however little is written.
   */
  #entriesToPeriod(next: readonly Entry[]): number | null {
    for (let at = 0; at < next.length; at++) {
      const period = Math.floor((next[at]?.stampMs ?? 0) / DIGEST_PERIOD_MS);
      const before = this.#period;
      this.#period = period;
      if (before !== null && period > before) return at + 1;
    }
    return null;
  }

  #beginRestore(meta: SnapshotMeta): void {
    this.#restoring = true;
    this.#options.restore(meta).then(
      () => {
        this.#restoring = false;
        if (this.#stopped) return;
        this.index = meta.index;
        this.term = meta.term;
        this.#period = null;
        this.#options.onRestored(meta);
        this.#options.onApplied(meta.index, meta.digest);
        if (this.#queue.length > 0) this.#runSoon();
      },
      (error: unknown) => {
        this.stop();
        this.#options.onError(error);
      },
    );
  }
}

/** What comes next, at most so many. Packed entries become objects here, a few at a time. */
function nextOf({ entries, at }: Extract<Work, { type: 'apply' }>, most: number): readonly Entry[] {
  if (most === entries.length && !('part' in entries)) return entries;
  return entries.slice(at, at + most);
}
