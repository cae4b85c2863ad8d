/**
 * Writes, one at a time, in order: everything that waits while a synced batch is under way goes into the next one (group
 * commit). What an effect releases is performed only when its batch is durable.
 */
import { entryBytes } from '../codec/entries.ts';
import type { Effect } from '../core/effects.ts';
import { PERSIST_BYTES_PER_MS, PERSIST_MERGE_MAX_BYTES, PERSIST_MERGE_MAX_COUNT } from './limits.ts';
import type { Clock, PersistBatch, RaftMetrics, Storage } from './ports.ts';

export type Persist = Extract<Effect, { type: 'persist' }>;

export interface PersisterOptions {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly metrics: RaftMetrics;
  /** Durable: perform what was held back, then tell the core. Called in order, once per effect. */
  readonly onDurable: (effects: readonly Persist[]) => void;
  /** The disk failed; nothing more will be written. */
  readonly onError: (error: unknown) => void;
}

export class Persister {
  readonly #options: PersisterOptions;
  #queue: Persist[] = [];
  /** When the batch under way was begun; null where none is. */
  #writingSinceMs: number | null = null;
  #writingBytes = 0;
  /** Durable, but not handed on yet; oldest first. */
  readonly #finished: (readonly Persist[])[] = [];
  #delivering = false;
  /** Received snapshots among all these. */
  #installCount = 0;
  #dead = false;
  #idle: (() => void)[] = [];

  constructor(options: PersisterOptions) {
    this.#options = options;
  }

  add(effect: Persist): void {
    this.#queue.push(effect);
    if (effect.installSnapshot !== null) this.#installCount++;
    if (this.#writingSinceMs !== null) return;
    this.#next();
    this.#deliver();
  }

  /** Age of the write under way beyond what its size excuses; 0 where there is none. */
  overdueMs(nowMs: number): number {
    if (this.#writingSinceMs === null) return 0;
    return Math.max(0, nowMs - this.#writingSinceMs - this.#writingBytes / PERSIST_BYTES_PER_MS);
  }

  /** A received snapshot is being written or waits for that: the store has no older one to read any more. */
  get installs(): boolean {
    return this.#installCount > 0;
  }

  /** The disk failed: nothing is written any more. */
  get failed(): boolean {
    return this.#dead;
  }

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    if (this.#writingSinceMs === null || this.#dead) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Begins the next write, if any. Barriers in front of it have nothing to wait for any more. */
  #next(): void {
    while (this.#queue.length > 0 && this.#writingSinceMs === null && !this.#dead) {
      const effects = this.#takeGroup();
      if (effects.every((effect) => effect.barrier === true)) this.#finished.push(effects);
      else this.#write(effects);
    }
  }

  #write(effects: readonly Persist[]): void {
    const batch = merge(effects);
    const { clock, metrics, storage } = this.#options;
    const startedMs = clock.nowMs();
    this.#writingSinceMs = startedMs;
    this.#writingBytes = batch.append.reduce((sum, entry) => sum + entryBytes(entry), 0);
    storage.persist(batch).then(
      () => {
        metrics.fsyncSeconds?.((clock.nowMs() - startedMs) / 1000);
        metrics.persistEntries?.(batch.append.length);
        this.#writingSinceMs = null;
        this.#finished.push(effects);
        // The disk works on the next batch while the effects of this one are performed.
        this.#next();
        this.#deliver();
        if (this.#writingSinceMs === null) this.#wakeIdle();
      },
      (error: unknown) => {
        this.#dead = true;
        this.#wakeIdle();
        this.#options.onError(error);
      },
    );
  }

  /** Hands on what is durable, in order, also where that brings new work. */
  #deliver(): void {
    if (this.#delivering) return;
    this.#delivering = true;
    for (let done = this.#finished.shift(); done !== undefined; done = this.#finished.shift()) {
      for (const { installSnapshot } of done) if (installSnapshot !== null) this.#installCount--;
      this.#options.onDurable(done);
    }
    this.#delivering = false;
  }

  #wakeIdle(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** The longest run of waiting effects that may share a batch. An installed snapshot has a batch to itself. */
  #takeGroup(): Persist[] {
    let bytes = 0;
    let count = 0;
    for (const effect of this.#queue) {
      if (count > 0 && (effect.installSnapshot !== null || bytes > PERSIST_MERGE_MAX_BYTES)) break;
      count++;
      if (effect.installSnapshot !== null || count >= PERSIST_MERGE_MAX_COUNT) break;
      for (const entry of effect.append) bytes += entryBytes(entry);
    }
    return this.#queue.splice(0, count);
  }
}

/** One batch with the same outcome as these writes one after the other. */
export function merge(effects: readonly Persist[]): PersistBatch {
  const first = effects[0];
  const last = effects.at(-1);
  if (first === undefined || last === undefined) throw new Error('nothing to persist');
  if (effects.length === 1) return first;
  const hard = effects.findLast((effect) => effect.barrier !== true)?.hard ?? last.hard;
  let truncateFrom: number | null = null;
  const append: Persist['append'][number][] = [];
  for (const effect of effects) {
    if (effect.truncateFrom !== null) {
      truncateFrom = truncateFrom === null ? effect.truncateFrom : Math.min(truncateFrom, effect.truncateFrom);
      while (append.length > 0 && (append.at(-1)?.index ?? 0) >= effect.truncateFrom) append.pop();
    }
    for (const entry of effect.append) append.push(entry);
  }
  return { hard, truncateFrom, append, installSnapshot: null };
}
