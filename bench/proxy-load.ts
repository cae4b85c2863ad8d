/**
 * One node at work: latency at half of what HAProxy can do, what the access log and a scrape of the metrics each second cost, and
 * whether a second proxy thread costs the first one anything.
 *
 *   ./scripts/with-node node bench/proxy-load.ts [--rounds 3] [--seconds 3] [--only latency,log,threads]
 *
 * latency: paced requests over 64 connections to either proxy, half of HAProxy's most; p99 of each. log and threads: CPU time per
 * request, since two cores cannot hold two proxy threads and a load that keeps both busy; for threads both proxy and load run on
 * both cores. Needs nginx, haproxy, wrk, h2load (nghttp2), openssl and ports 8102, 8110-8310, 9001-9013, 17410, 17510.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cpuUs, generate, median, ORIGIN_PORTS, Scene, wrk } from './harness/beside.ts';
import type { Contestant } from './harness/beside.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    only: { type: 'string', default: 'latency,log,threads' },
  },
});
const NODE = fileURLToPath(new URL('single-node.sh', import.meta.url));
const METRICS = 'http://127.0.0.1:17410/metrics';
const PORT = 8110;
const HAPROXY_PORT = 8102;
const CONNECTIONS = 64;
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

const measures: Record<string, () => Promise<void>> = {
  latency,
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
