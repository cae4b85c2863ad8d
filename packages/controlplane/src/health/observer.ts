/**
 * Turns this node's opinions into observations that the cluster decides on: edges only, batched, repeated until they are
 * committed, with a heartbeat in between that says "all I said still holds". Local suspicion from traffic never gets here.
 */
import { observeBatchMax, observeBatchMs, observeHeartbeatMs, observeRetryMs, observeSoonMs } from '../limits.ts';
import type { ObservationInput } from '../state/index.ts';
import type { Opinion, Prober } from './prober.ts';
import { targetKey } from './target.ts';

export interface ObserverOptions {
  readonly prober: Prober;
  /** Commits the observations, or rejects. None: a heartbeat. */
  readonly propose: (observations: readonly ObservationInput[]) => Promise<unknown>;
  /** Nothing can be committed now and trying would only add load. */
  readonly quiet: () => boolean;
}

export class Observer {
  readonly #options: ObserverOptions;
  /** Keys whose opinion the cluster does not have yet. */
  readonly #dirty = new Set<string>();
  readonly #opinions = new Map<string, Opinion>();
  #timer: NodeJS.Timeout | null = null;
  /** When it is due. */
  #dueMs = 0;
  #flushing = false;
  #closed = false;
  #lastSentMs = -Infinity;

  constructor(options: ObserverOptions) {
    this.#options = options;
  }

  /** An opinion was formed or changed. */
  note(opinion: Opinion): void {
    const key = targetKey(opinion.pool, opinion.backend);
    this.#opinions.set(key, opinion);
    this.#dirty.add(key);
    const isQuiet = performance.now() - this.#lastSentMs > observeBatchMs;
    this.#schedule(isQuiet ? observeSoonMs : observeBatchMs);
  }

  /** Everything is to be said again: the cluster forgot it, or this node is new to it. */
  repeatAll(): void {
    for (const opinion of this.#options.prober.opinions()) this.note(opinion);
    this.#schedule(observeBatchMs);
  }

  start(): void {
    this.#schedule(0);
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #schedule(delayMs: number): void {
    if (this.#closed || this.#flushing) return;
    const dueMs = performance.now() + delayMs;
    if (this.#timer !== null) {
      // A heartbeat that is due later must not hold back news, nor news the news before it.
      if (dueMs >= this.#dueMs) return;
      clearTimeout(this.#timer);
    }
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#flush();
    }, delayMs);
  }

  async #flush(): Promise<void> {
    this.#flushing = true;
    const delayMs = await this.#send().catch(() => observeRetryMs);
    this.#flushing = false;
    this.#schedule(delayMs);
  }

  /** Answers after how long to look again. */
  async #send(): Promise<number> {
    if (this.#options.quiet()) return observeRetryMs;
    const keys = [...this.#dirty].slice(0, observeBatchMax);
    const due = performance.now() - this.#lastSentMs >= observeHeartbeatMs;
    if (keys.length > 0 || due) {
      for (const key of keys) this.#dirty.delete(key);
      try {
        await this.#options.propose(keys.flatMap((key) => this.#observation(key)));
      } catch (error) {
        for (const key of keys) this.#dirty.add(key);
        throw error;
      }
      this.#lastSentMs = performance.now();
    }
    return this.#dirty.size > 0 ? observeBatchMs : observeHeartbeatMs;
  }

  /** The newest opinion, not the one that was queued: it may have changed back meanwhile. */
  #observation(key: string): ObservationInput[] {
    const queued = this.#opinions.get(key);
    if (queued === undefined) return [];
    const opinion = this.#options.prober.opinion(queued.pool, queued.backend);
    if (opinion === null) {
      this.#opinions.delete(key);
      return [];
    }
    const { pool, backend, ok, latencyMs, detail, atMs } = opinion;
    return [{ pool, backend, ok, latencyMs, detail, atMs }];
  }
}
