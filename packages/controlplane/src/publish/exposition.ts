/**
 * Prometheus text from the counters of the proxy threads: adds the threads up and writes the families of the contract.
 * Not prom-client, because that one counts by itself and cannot take finished histograms.
 */
import { DURATION_BUCKETS_SECONDS, type ProxyStats } from '@flotilla/shared';
import type { CertificateAge } from '../secrets/credential-store.ts';

export type Labels = Readonly<Record<string, string>>;

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly lines: readonly string[];
}

class Sums {
  readonly #values = new Map<string, { labels: Labels; value: number }>();

  add(labels: Labels, value: number): void {
    const key = JSON.stringify(labels);
    const known = this.#values.get(key);
    if (known === undefined) this.#values.set(key, { labels, value });
    else known.value += value;
  }

  family(name: string, type: 'counter' | 'gauge', help: string): Family {
    return {
      name,
      type,
      help,
      lines: [...this.#values.values()].map(({ labels, value }) => sample(name, labels, value)),
    };
  }
}

/** One line of the exposition format. */
export function sample(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escape(text)}"`);
  return pairs.length === 0 ? `${name} ${value}` : `${name}{${pairs.join(',')}} ${value}`;
}

export function render(families: readonly Family[]): string {
  return families
    .map(({ name, help, type, lines }) => [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ''].join('\n'))
    .join('\n');
}

/** When each certificate ends; the rule to alert on is in docs/operations.md. */
export function expiryFamily(ages: readonly CertificateAge[]): Family {
  return {
    name: 'flotilla_certificate_expiry_timestamp_seconds',
    help: 'When a certificate ends, in seconds since 1970: of this node, its API, their authority, a listener.',
    type: 'gauge',
    lines: ages.map(({ use, name, validTo }) =>
      sample('flotilla_certificate_expiry_timestamp_seconds', { use, name }, Date.parse(validTo) / 1_000),
    ),
  };
}

/** The families that come from proxy threads. */
export function trafficFamilies(stats: readonly ProxyStats[]): Family[] {
  const requests = new Sums();
  const connections = new Sums();
  const retries = new Sums();
  const errors = new Sums();
  const bytes = new Sums();
  for (const one of stats) {
    for (const [listener, pool, backend, codeClass, count] of one.requests)
      requests.add({ listener, pool, backend, code_class: codeClass }, count);
    for (const [listener, open] of one.connections) connections.add({ listener }, open);
    for (const [pool, reason, count] of one.retries) retries.add({ pool, reason }, count);
    for (const [listener, reason, count] of one.errors) errors.add({ listener, reason }, count);
    for (const [listener, direction, count] of one.bytes) bytes.add({ listener, direction }, count);
  }
  return [
    requests.family('flotilla_requests_total', 'counter', 'Requests answered, by class of the status.'),
    durations(stats),
    connections.family('flotilla_connections', 'gauge', 'Open client connections.'),
    retries.family('flotilla_retries_total', 'counter', 'Requests tried again on another backend.'),
    errors.family('flotilla_errors_total', 'counter', 'Requests that Flotilla itself refused or failed, by reason.'),
    bytes.family('flotilla_traffic_bytes_total', 'counter', 'Bytes from (in) and to (out) clients.'),
    ...gauges(stats),
  ];
}

function durations(stats: readonly ProxyStats[]): Family {
  const name = 'flotilla_request_duration_seconds';
  const rows = new Map<string, { labels: Labels; buckets: number[]; sum: number }>();
  for (const [listener, pool, buckets, sumSeconds] of stats.flatMap((one) => one.durations)) {
    const key = `${listener}\n${pool}`;
    const row = rows.get(key) ?? { labels: { listener, pool }, buckets: buckets.map(() => 0), sum: 0 };
    buckets.forEach((count, at) => (row.buckets[at] = (row.buckets[at] ?? 0) + count));
    row.sum += sumSeconds;
    rows.set(key, row);
  }
  const lines: string[] = [];
  for (const { labels, buckets, sum } of rows.values()) {
    let running = 0;
    for (let at = 0; at <= DURATION_BUCKETS_SECONDS.length; at += 1) {
      running += buckets[at] ?? 0;
      const le = DURATION_BUCKETS_SECONDS[at] ?? '+Inf';
      lines.push(sample(`${name}_bucket`, { ...labels, le: String(le) }, running));
    }
    lines.push(sample(`${name}_sum`, labels, sum), sample(`${name}_count`, labels, running));
  }
  return { name, type: 'histogram', help: 'From the first byte of a request to the last of its answer.', lines };
}

function gauges(stats: readonly ProxyStats[]): Family[] {
  const byName = new Map<string, Sums>();
  for (const [name, labels, value] of stats.flatMap((one) => one.gauges)) {
    const sums = byName.get(name) ?? new Sums();
    sums.add(labels, value);
    byName.set(name, sums);
  }
  return [...byName].map(([name, sums]) => sums.family(`flotilla_${name}`, 'gauge', 'Reported by the proxy threads.'));
}

function escape(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
