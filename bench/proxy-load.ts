/**
 * One node at work: latency at half of what HAProxy can do, what the access log and a scrape of the metrics each second cost, and
 * what a second proxy thread adds.
 *
 *   ./scripts/with-node node bench/proxy-load.ts [--rounds 3] [--seconds 3] [--only latency,log,threads,scaling]
 *
 * latency: paced requests over 64 connections to either proxy, half of HAProxy's most; p99 of each. log and threads: CPU time per
 * request, since two cores cannot hold two proxy threads and a load that keeps both busy; for threads both proxy and load run on
 * both cores. scaling: requests per second of one and of two proxy threads that may have a quarter of a core each, on two cores, so
 * that the load has enough left to keep both at that; needs root and control groups of version 1. All need nginx, haproxy, wrk, h2load (nghttp2), openssl and ports 8102, 8110-8310, 9001-9013, 17410, 17510.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cpuUs, generate, median, ORIGIN_PORTS, processes, Scene, wrk } from './harness/beside.ts';
import type { Contestant } from './harness/beside.ts';
import { canHoldThreads, nameOf, ThreadQuota, threadsOf } from './harness/quota.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    only: { type: 'string', default: 'latency,log,threads,scaling' },
  },
});
const NODE = fileURLToPath(new URL('single-node.sh', import.meta.url));
const METRICS = 'http://127.0.0.1:17410/metrics';
const PORT = 8110;
const HAPROXY_PORT = 8102;
const CONNECTIONS = 64;
/** Of a core, for each proxy thread whose scaling is measured. */
const THREAD_SHARE = 0.25;
const seconds = Number(values.seconds);
const scene = new Scene();
const table: Record<string, Record<string, string>> = {};

function node(env: Record<string, string> = {}): Contestant {
  return { name: 'flotilla', port: PORT, command: NODE, env };
}

function haproxy(): Contestant {
  const servers = ORIGIN_PORTS.map((port) => `  server s${port} 127.0.0.1:${port}`).join('\n');
  const config = scene.file(
    'haproxy.cfg',
    `global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n` +
      `  option forwardfor\n  http-reuse always\nfrontend f\n  bind 127.0.0.1:${HAPROXY_PORT}\n  default_backend b\n` +
      `backend b\n  balance roundrobin\n${servers}\n`,
  );
  return { name: 'haproxy', port: HAPROXY_PORT, command: `haproxy -db -q -f ${config}` };
}

/** The 99th percentile of paced requests, in milliseconds, from h2load's log: start, status, microseconds. */
function pacedP99(port: number, perSecond: number): number {
  const log = join(scene.folder, `paced-${port}.log`);
  const pace = ['--h1', '-t1', `-c${CONNECTIONS}`, `--rps=${perSecond / CONNECTIONS}`, '-D', String(seconds)];
  generate('h2load', [...pace, `--log-file=${log}`, `http://127.0.0.1:${port}/`]);
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
  const tookUs = lines.map((line) => Number(line.split('\t')[2])).toSorted((a, b) => a - b);
  return (tookUs[Math.floor(tookUs.length * 0.99)] ?? NaN) / 1000;
}

async function latency(): Promise<void> {
  const p99s = new Map<string, number[]>();
  let perSecond = 0;
  for (let round = 0; round < Number(values.rounds); round += 1)
    for (const contestant of [haproxy(), node()])
      await scene.during(contestant, '0', async () => {
        const most = wrk(`http://127.0.0.1:${contestant.port}/`, { seconds: 2, connections: CONNECTIONS });
        if (contestant.name === 'haproxy') perSecond = Math.round(most.perSecond / 2);
        const all = p99s.get(contestant.name) ?? [];
        p99s.set(contestant.name, all);
        all.push(pacedP99(contestant.port, perSecond));
      });
  for (const [name, all] of p99s) table[`p99 at half load, ${name}`] = { result: `${median(all).toFixed(2)} ms` };
  table['load of the last round'] = { result: `${perSecond} requests/s` };
}

/** Microseconds of CPU per request, the variants in turn. */
async function costs(variants: Readonly<Record<string, Variant>>): Promise<void> {
  const all = new Map<string, number[]>();
  for (let round = 0; round < Number(values.rounds); round += 1)
    for (const [name, { contestant, cpus, beside }] of Object.entries(variants))
      await scene.during(contestant, cpus, async (pid) => {
        const url = `http://127.0.0.1:${PORT}/`;
        wrk(url, { seconds: 2, connections: CONNECTIONS });
        let requests = 0;
        const before = cpuUs(pid);
        for (let second = 0; second < seconds; second += 1) {
          requests += wrk(url, { seconds: 1, connections: CONNECTIONS }).requests;
          await beside?.();
        }
        const costUs = all.get(name) ?? [];
        all.set(name, costUs);
        costUs.push((cpuUs(pid) - before) / requests);
      });
  for (const [name, costUs] of all) table[name] = { result: `${median(costUs).toFixed(1)} µs of CPU per request` };
}

interface Variant {
  readonly contestant: Contestant;
  readonly cpus: string;
  /** Once a second. */
  readonly beside?: () => Promise<void>;
}

async function scrape(): Promise<void> {
  const answer = await fetch(METRICS);
  if (!(await answer.text()).includes('flotilla_')) throw new Error('no metrics');
}

/**
 * Requests per second of one and of two proxy threads, each held to the same share of a core of its own. The one is measured on
 * either core, because beside the load generator it is woken for less.
 */
async function scaling(): Promise<void> {
  if (!canHoldThreads()) {
    table['two proxy threads beside one'] = { result: 'not measured: needs root and control groups of version 1' };
    return;
  }
  const variants = [[0], [1], [0, 1]].map((cpus) => ({ cpus, rates: [] as number[] }));
  for (let round = 0; round < Number(values.rounds); round += 1)
    for (const { cpus, rates } of variants) rates.push(await heldRate(cpus));
  const [first = NaN, second = NaN, both = NaN] = variants.map(({ rates }) => median(rates));
  table[`one proxy thread, ${THREAD_SHARE} of core 0`] = { result: `${first.toFixed(0)} requests/s` };
  table[`one proxy thread, ${THREAD_SHARE} of core 1`] = { result: `${second.toFixed(0)} requests/s` };
  table[`two proxy threads, ${THREAD_SHARE} of a core each`] = { result: `${both.toFixed(0)} requests/s` };
  table['two proxy threads beside one'] = { result: `${((2 * both) / (first + second)).toFixed(2)} x` };
}

/** Of as many proxy threads as there are cores given, each on one of them. */
async function heldRate(cpus: readonly number[]): Promise<number> {
  const quotas: ThreadQuota[] = [];
  const rate = await scene.during(node({ THREADS: String(cpus.length) }), '0,1', async (root) => {
    const pid = processes(root).find((one) => threadsOf(one).some((tid) => nameOf(one, tid) === 'proxy-0'));
    if (pid === undefined) throw new Error('no process with proxy threads');
    const url = `http://127.0.0.1:${PORT}/`;
    wrk(url, { seconds: 3, connections: CONNECTIONS });
    for (const [at, cpu] of cpus.entries())
      quotas.push(new ThreadQuota(pid, `proxy-${at}`, { share: THREAD_SHARE, cpu }));
    return wrk(url, { seconds, connections: CONNECTIONS }).perSecond;
  });
  for (const quota of quotas) await quota.remove();
  return rate;
}

const measures: Record<string, () => Promise<void>> = {
  latency,
  scaling,
  log: () =>
    costs({
      'no access log': { contestant: node(), cpus: '0' },
      'metrics read each second': { contestant: node(), cpus: '0', beside: scrape },
      'access log of 1 % of the requests': { contestant: node({ LOG_RATIO: '0.01' }), cpus: '0' },
      'access log of every request': { contestant: node({ LOG_RATIO: '1' }), cpus: '0' },
    }),
  threads: () =>
    costs({
      'one proxy thread on two cores': { contestant: node(), cpus: '0,1' },
      'two proxy threads on two cores': { contestant: node({ THREADS: '2' }), cpus: '0,1' },
    }),
};

try {
  await scene.startOrigin();
  for (const name of values.only.split(',')) await measures[name]?.();
} finally {
  await scene.close();
}
console.table(table);
