/**
 * The replicated state machine behind raft's port: applies committed entries, answers digests, is captured and restored, and
 * tells its listeners once per batch what changed. The one place around the pure state that awaits anything.
 */
import type { Entry, EntryKind, SnapshotMeta, StateMachine } from '@flotilla/raft';
import { featureLevel } from './limits.ts';
import { advance, applyCommandBytes } from './state/apply.ts';
import { ChangeSet } from './state/change-set.ts';
import { clusterLevel } from './state/features.ts';
import { RESTORE_SLICE_BYTES } from './state/limits.ts';
import type { Changes, CommandResult } from './state/result.ts';
import { captureState, SnapshotReader } from './state/snapshot.ts';
import { emptyState, type ReadonlyState, type State, stateDigest } from './state/state.ts';

/** Kind of an entry that carries a command. Spelled here so that the simulator's imports stay free of sockets and disks. */
const NORMAL: typeof EntryKind.normal = 0;

/** What one batch of entries did. */
export interface Applied {
  /** The last index applied. */
  readonly index: number;
  readonly revision: number;
  readonly logTimeMs: number;
  /** One per entry; undefined for those that carry no command. */
  readonly results: readonly (CommandResult | undefined)[];
  readonly changes: Changes;
  /** The whole state was replaced by a snapshot: everything may have changed, and `changes` is empty. */
  readonly restored: boolean;
}

export interface MachineOptions {
  /** Awaited between slices of snapshot work: gives the event loop a turn. */
  readonly pause?: () => Promise<void>;
  /** The same on every node, and a million where it is not given. Less for small worlds of tests. */
  readonly pinsMaxCount?: number;
  /** What this version speaks. Less only where an older one is played. */
  readonly featureLevel?: number;
}

export class ClusterStateMachine implements StateMachine {
  #state: State;
  readonly #featureLevel: number;
  readonly #pinsMaxCount: number | undefined;
  readonly #pause: () => Promise<void>;
  readonly #listeners = new Set<(applied: Applied) => void>();

  constructor(options: MachineOptions = {}) {
    this.#pinsMaxCount = options.pinsMaxCount;
    this.#featureLevel = options.featureLevel ?? featureLevel;
    this.#state = emptyState(options.pinsMaxCount);
    this.#pause = options.pause ?? (() => Promise.resolve());
  }

  /** The state now. A restore replaces it: ask anew rather than keep it. */
  get state(): ReadonlyState {
    return this.#state;
  }

  /** Calls `listener` after every batch and restore, synchronously. Returns what stops it. */
  onApplied(listener: (applied: Applied) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  apply(entries: readonly Entry[]): readonly (CommandResult | undefined)[] {
    const changes = new ChangeSet();
    const results = entries.map((entry) => {
      advance(this.#state, entry);
      return entry.kind === NORMAL ? applyCommandBytes(this.#state, entry.data, changes) : undefined;
    });
    this.#demandLevel();
    if (entries.length > 0) this.#tell(results, changes, false);
    return results;
  }

  /** The log has left this version behind: to go on would mean to refuse what the others take. Ends the node. */
  #demandLevel(): void {
    const level = clusterLevel(this.#state);
    if (level <= this.#featureLevel) return;
    const speaks = `this version speaks feature level ${this.#featureLevel} only`;
    throw new Error(
      `the cluster uses feature level ${level}, ${speaks}: install the version that its other members run`,
    );
  }

  digest(): string {
    return stateDigest(this.#state);
  }

  /** Debug only: one number of this replica's state becomes another one, as a bug or a faulty memory could do it. */
  diverge(): void {
    const [first] = this.#state.backends.entries();
    if (first === undefined) this.#state.meta.slotCursor += 1;
    else {
      const [key, row] = first;
      this.#state.backends.set(key, { ...row, config: { ...row.config, weight: row.config.weight ^ 1 } });
    }
  }

  capture(): { readonly sizeBytes: number; readonly digest: string; readonly chunks: AsyncIterable<Uint8Array> } {
    const { sizeBytes, digest, slices } = captureState(this.#state);
    return { sizeBytes, digest, chunks: this.#inTurns(slices) };
  }

  async *#inTurns(slices: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for (const slice of slices) {
      yield slice;
      await this.#pause();
    }
  }

  async restore(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const reader = new SnapshotReader(this.#pinsMaxCount);
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length; at += RESTORE_SLICE_BYTES) {
        reader.push(chunk.subarray(at, at + RESTORE_SLICE_BYTES));
        await this.#pause();
      }
    }
    const state = reader.finish();
    if (state.meta.index !== meta.index) {
      throw new Error(`snapshot: it is of index ${state.meta.index}, not ${meta.index}`);
    }
    this.#state = state;
    this.#demandLevel();
    this.#tell([], new ChangeSet(), true);
  }

  #tell(results: readonly (CommandResult | undefined)[], changes: ChangeSet, restored: boolean): void {
    const { index, revision, logTimeMs } = this.#state.meta;
    const applied: Applied = { index, revision, logTimeMs, results, changes: changes.toChanges(), restored };
    for (const listener of this.#listeners) listener(applied);
  }
}
