/**
 * Counters of one proxy thread, cheap enough for every request: two lookups by interned string and plain additions.
 *
 * Names are turned into objects once (a connection keeps its {@link ListenerStats}); nothing is formatted before `snapshot`.
 * Prometheus is the control thread's business. Counters of removed listeners and pools stay: counters never go back.
 */
import { DURATION_BUCKETS_SECONDS } from '@flotilla/shared';
import type { ProxyStats } from '@flotilla/shared';

const CODE_CLASSES = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'] as const;
const BUCKETS_MS = DURATION_BUCKETS_SECONDS.map((seconds) => seconds * 1000);

class PoolStats {
  readonly backends = new Map<string, number[]>();
  readonly buckets: number[] = Array.from({ length: BUCKETS_MS.length + 1 }, () => 0);
  sumMs = 0;
}

export class ListenerStats {
  open = 0;
  bytesIn = 0;
  bytesOut = 0;
  readonly pools = new Map<string, PoolStats>();
  readonly errors = new Map<string, number>();

  /** One finished request or stream. `pool` and `backend` are '' where none was chosen; `status` is 0 for tcp, tls and udp. */
  request(pool: string, backend: string, status: number, durationMs: number): void {
    let stats = this.pools.get(pool);
    if (stats === undefined) {
      stats = new PoolStats();
      this.pools.set(pool, stats);
    }
    let counts = stats.backends.get(backend);
    if (counts === undefined) {
      counts = Array.from({ length: CODE_CLASSES.length }, () => 0);
      stats.backends.set(backend, counts);
    }
    const codeClass = (status / 100) | 0;
    const at = codeClass > 0 && codeClass < CODE_CLASSES.length ? codeClass : 0;
    counts[at] = (counts[at] as number) + 1;
    let bucket = 0;
    while (bucket < BUCKETS_MS.length && durationMs > (BUCKETS_MS[bucket] as number)) bucket++;
    stats.buckets[bucket] = (stats.buckets[bucket] as number) + 1;
    stats.sumMs += durationMs;
  }

  error(reason: string): void {
    this.errors.set(reason, (this.errors.get(reason) ?? 0) + 1);
  }
}

export class StatsRecorder {
  readonly #listeners = new Map<string, ListenerStats>();
  readonly #retries = new Map<string, Map<string, number>>();
  readonly #gauges = new Set<() => ProxyStats['gauges']>();

  listener(name: string): ListenerStats {
    let stats = this.#listeners.get(name);
    if (stats === undefined) {
      stats = new ListenerStats();
      this.#listeners.set(name, stats);
    }
    return stats;
  }

  retry(pool: string, reason: string): void {
    let reasons = this.#retries.get(pool);
    if (reasons === undefined) {
      reasons = new Map();
      this.#retries.set(pool, reasons);
    }
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }

  /** Numbers that are read when asked for, such as the size of a table. */
  addGauges(read: () => ProxyStats['gauges']): void {
    this.#gauges.add(read);
  }

  snapshot(): ProxyStats {
    const connections: [string, number][] = [];
    const requests: [string, string, string, string, number][] = [];
    const durations: [string, string, number[], number][] = [];
    const errors: [string, string, number][] = [];
    const bytes: [string, 'in' | 'out', number][] = [];
    for (const [name, listener] of this.#listeners) {
      connections.push([name, listener.open]);
      bytes.push([name, 'in', listener.bytesIn], [name, 'out', listener.bytesOut]);
      for (const [reason, count] of listener.errors) errors.push([name, reason, count]);
      for (const [pool, stats] of listener.pools) {
        durations.push([name, pool, [...stats.buckets], stats.sumMs / 1000]);
        for (const [backend, counts] of stats.backends)
          counts.forEach((count, at) => {
            if (count > 0) requests.push([name, pool, backend, CODE_CLASSES[at] as string, count]);
          });
      }
    }
    const retries = [...this.#retries].flatMap(([pool, reasons]) =>
      [...reasons].map(([reason, count]): [string, string, number] => [pool, reason, count]),
    );
    const gauges = [...this.#gauges].flatMap((read) => [...read()]);
    return { connections, requests, durations, retries, errors, bytes, gauges };
  }
}
