/**
 * A histogram of durations without labels that costs an addition per observation: for what every write measures. prom-client's
 * own looks its labels up each time.
 */
import { type Family, sample } from './exposition.ts';

export interface DurationHistogramOptions {
  readonly name: string;
  readonly help: string;
  /** Upper bounds in seconds, rising. */
  readonly buckets: readonly number[];
}

export class DurationHistogram {
  readonly #options: DurationHistogramOptions;
  /** One for each bound, not cumulative; the last is for what lies above all of them. */
  readonly #counts: Float64Array;
  #sumSeconds = 0;

  constructor(options: DurationHistogramOptions) {
    this.#options = options;
    this.#counts = new Float64Array(options.buckets.length + 1);
  }

  observe(seconds: number): void {
    const { buckets } = this.#options;
    let at = 0;
    while (at < buckets.length && seconds > (buckets[at] as number)) at += 1;
    this.#counts[at] = (this.#counts[at] as number) + 1;
    this.#sumSeconds += seconds;
  }

  family(): Family {
    const { name, help, buckets } = this.#options;
    const lines: string[] = [];
    let count = 0;
    for (const [at, added] of this.#counts.entries()) {
      count += added;
      const le = at < buckets.length ? String(buckets[at]) : '+Inf';
      lines.push(sample(`${name}_bucket`, { le }, count));
    }
    lines.push(sample(`${name}_sum`, {}, this.#sumSeconds), sample(`${name}_count`, {}, count));
    return { name, help, type: 'histogram', lines };
  }
}
