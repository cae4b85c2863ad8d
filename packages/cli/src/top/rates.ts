/**
 * Requests a second, of each node and of each backend through all nodes: differences between two readings of what every node
 * counts by itself. A node that was not read twice in a row counts nothing.
 */
import { type Sample, sumOf } from './samples.ts';

interface Reading {
  readonly atMs: number;
  /** By `pool/backend`. */
  readonly requests: ReadonlyMap<string, number>;
  readonly errors: ReadonlyMap<string, number>;
}

export interface Rate {
  readonly perSecond: number;
  /** Answers of class 5xx. */
  readonly errorsPerSecond: number;
}

export class Rates {
  #before = new Map<string, Reading>();
  readonly byNode = new Map<string, Rate>();
  readonly byBackend = new Map<string, Rate>();

  /** `samples`: what each node that answered counts. */
  update(samples: ReadonlyMap<string, readonly Sample[]>, atMs: number): void {
    const before = this.#before;
    this.#before = new Map();
    this.byNode.clear();
    this.byBackend.clear();
    for (const [node, counted] of samples) {
      const now: Reading = {
        atMs,
        requests: sumOf(counted, 'flotilla_requests_total', () => true),
        errors: sumOf(counted, 'flotilla_requests_total', ({ code_class }) => code_class === '5xx'),
      };
      this.#before.set(node, now);
      const earlier = before.get(node);
      if (earlier !== undefined) this.#add(node, earlier, now);
    }
  }

  /** Null before any node was read twice. A backend that no node counts has had no request yet. */
  ofBackend(key: string): Rate | null {
    return this.byBackend.get(key) ?? (this.byNode.size > 0 ? { perSecond: 0, errorsPerSecond: 0 } : null);
  }

  #add(node: string, before: Reading, now: Reading): void {
    const seconds = (now.atMs - before.atMs) / 1_000;
    const rate = (of: 'requests' | 'errors', key: string): number =>
      Math.max(0, (now[of].get(key) ?? 0) - (before[of].get(key) ?? 0)) / seconds;
    add(this.byNode, node, { perSecond: 0, errorsPerSecond: 0 });
    for (const key of now.requests.keys()) {
      const one = { perSecond: rate('requests', key), errorsPerSecond: rate('errors', key) };
      add(this.byNode, node, one);
      add(this.byBackend, key, one);
    }
  }
}

function add(rates: Map<string, Rate>, key: string, { perSecond, errorsPerSecond }: Rate): void {
  const known = rates.get(key) ?? { perSecond: 0, errorsPerSecond: 0 };
  rates.set(key, {
    perSecond: known.perSecond + perSecond,
    errorsPerSecond: known.errorsPerSecond + errorsPerSecond,
  });
}
