/**
 * Which share of its pool's requests each backend got in the last minute on this node: the figure that shows skew.
 */
import type { ProxyStats } from '@flotilla/shared';
import { shareWindowMs } from '../limits.ts';

interface Sample {
  readonly atMs: number;
  /** Requests since the threads started, by pool and backend. */
  readonly counts: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

export class Shares {
  readonly #samples: Sample[] = [];

  sample(stats: readonly ProxyStats[], nowMs: number): void {
    const counts = new Map<string, Map<string, number>>();
    for (const [, pool, backend, , count] of stats.flatMap(({ requests }) => requests)) {
      if (backend === '') continue;
      const backends = counts.get(pool) ?? new Map<string, number>();
      backends.set(backend, (backends.get(backend) ?? 0) + count);
      counts.set(pool, backends);
    }
    this.#samples.push({ atMs: nowMs, counts });
    // One sample older than the window stays: it is what the window is measured from.
    while ((this.#samples[1]?.atMs ?? Infinity) <= nowMs - shareWindowMs) this.#samples.shift();
  }

  /** Share of each backend of the pool, 0–1; empty where nothing was asked of the pool. */
  of(pool: string): ReadonlyMap<string, number> {
    const first = this.#samples[0]?.counts.get(pool);
    const last = this.#samples.at(-1)?.counts.get(pool) ?? new Map<string, number>();
    const grown = new Map<string, number>();
    let total = 0;
    for (const [backend, count] of last) {
      const growth = Math.max(0, count - (first?.get(backend) ?? 0));
      grown.set(backend, growth);
      total += growth;
    }
    if (total === 0) return new Map();
    return new Map([...grown].map(([backend, growth]) => [backend, growth / total]));
  }
}
