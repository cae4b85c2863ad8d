/**
 * This node's own opinion of every backend: when to probe, and what a run of results means. Nothing here is shared;
 * opinions leave through `onOpinion` and become observations (observer.ts).
 *
 * The first probe runs at once and its result is the first opinion, so that a new node or backend is known within one
 * probe; from then on the pool's thresholds hold. A result that contradicts the opinion is checked again after a fifth
 * of the interval (Nagios calls it a soft state): detection costs one interval, not several. Jitter keeps nodes apart;
 * a bound on concurrent probes keeps ten thousand backends from stalling the loop.
 */
import { probeJitterRatio, probesConcurrentMax } from '../limits.ts';
import { probe } from './probe.ts';
import { type ProbeResult, type ProbeTarget, targetKey } from './target.ts';

export interface Opinion {
  readonly pool: string;
  readonly backend: string;
  readonly ok: boolean;
  readonly latencyMs: number;
  readonly detail: string;
  readonly intervalMs: number;
  /** Wall clock of the last probe, for people. */
  readonly atMs: number;
}

export interface ProberOptions {
  /** The opinion of a backend was formed or changed. */
  readonly onOpinion: (opinion: Opinion) => void;
  readonly onProbe?: (pool: string, seconds: number) => void;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

interface Watched {
  target: ProbeTarget;
  /** JSON of the target: a change of anything restarts its schedule. */
  facts: string;
  opinion: Opinion | null;
  /** Results in a row that contradict the opinion. */
  streak: number;
  timer: NodeJS.Timeout | null;
  abort: AbortController | null;
  removed: boolean;
}

const softIntervalRatio = 0.2;

export class Prober {
  readonly #options: ProberOptions;
  readonly #random: () => number;
  readonly #watched = new Map<string, Watched>();
  readonly #waiting: Watched[] = [];
  #running = 0;
  #unsettled = 0;

  constructor(options: ProberOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
  }

  /** Replaces the targets. Unchanged ones keep schedule and opinion; changed ones are probed at once, and keep the opinion if the address is the same. */
  setTargets(targets: readonly ProbeTarget[]): void {
    const wanted = new Set<string>();
    for (const target of targets) {
      const key = targetKey(target.pool, target.backend);
      wanted.add(key);
      this.#watch(key, target);
    }
    for (const [key, watched] of this.#watched) if (!wanted.has(key)) this.#forget(key, watched);
  }

  /** Every target has been probed at least once. */
  get settled(): boolean {
    return this.#unsettled === 0;
  }

  opinion(pool: string, backend: string): Opinion | null {
    return this.#watched.get(targetKey(pool, backend))?.opinion ?? null;
  }

  *opinions(): IterableIterator<Opinion> {
    for (const { opinion } of this.#watched.values()) if (opinion !== null) yield opinion;
  }

  close(): void {
    for (const [key, watched] of this.#watched) this.#forget(key, watched);
    this.#waiting.length = 0;
  }

  #watch(key: string, target: ProbeTarget): void {
    const facts = JSON.stringify(target);
    const known = this.#watched.get(key);
    if (known === undefined) {
      const fresh: Watched = { target, facts, opinion: null, streak: 0, timer: null, abort: null, removed: false };
      this.#watched.set(key, fresh);
      this.#unsettled += 1;
      this.#enqueue(fresh);
      return;
    }
    if (known.facts === facts) return;
    const moved = known.target.host !== target.host || known.target.port !== target.port;
    if (moved && known.opinion !== null) {
      known.opinion = null;
      this.#unsettled += 1;
    }
    known.target = target;
    known.facts = facts;
    known.streak = 0;
    // A probe that runs now asks the former address: its result is dropped and the new one is asked at once.
    known.abort?.abort();
    if (known.timer !== null) {
      clearTimeout(known.timer);
      known.timer = null;
      this.#enqueue(known);
    }
  }

  #forget(key: string, watched: Watched): void {
    this.#watched.delete(key);
    watched.removed = true;
    if (watched.opinion === null) this.#unsettled -= 1;
    if (watched.timer !== null) clearTimeout(watched.timer);
    watched.timer = null;
    watched.abort?.abort();
  }

  #enqueue(watched: Watched): void {
    this.#waiting.push(watched);
    this.#pump();
  }

  #pump(): void {
    while (this.#running < probesConcurrentMax) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      if (next.removed) continue;
      this.#running += 1;
      void this.#run(next);
    }
  }

  async #run(watched: Watched): Promise<void> {
    const abort = new AbortController();
    const { target } = watched;
    watched.abort = abort;
    const result = await probe(target, abort.signal);
    watched.abort = null;
    this.#running -= 1;
    if (!watched.removed) {
      if (abort.signal.aborted) this.#enqueue(watched);
      else this.#digest(watched, result);
    }
    this.#pump();
  }

  #digest(watched: Watched, result: ProbeResult): void {
    const { health, pool, backend } = watched.target;
    this.#options.onProbe?.(pool, result.latencyMs / 1000);
    const before = watched.opinion;
    const { intervalMs } = health;
    const opinion: Opinion = { pool, backend, ...result, intervalMs, atMs: Date.now() };
    const contradicts = before !== null && before.ok !== result.ok;
    watched.streak = contradicts ? watched.streak + 1 : 0;
    const needed = result.ok ? health.healthyAfter : health.unhealthyAfter;
    const decided = before === null || (contradicts && watched.streak >= needed);
    if (decided || !contradicts) watched.opinion = opinion;
    if (before === null) this.#unsettled -= 1;
    if (decided) watched.streak = 0;
    this.#schedule(watched, contradicts && !decided ? intervalMs * softIntervalRatio : intervalMs);
    if (decided) this.#options.onOpinion(opinion);
  }

  #schedule(watched: Watched, intervalMs: number): void {
    const jitter = 1 + (this.#random() * 2 - 1) * probeJitterRatio;
    watched.timer = setTimeout(
      () => {
        watched.timer = null;
        this.#enqueue(watched);
      },
      Math.max(10, Math.round(intervalMs * jitter)),
    );
  }
}
