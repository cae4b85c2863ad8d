/**
 * How soon what the cluster agrees on is live everywhere, on three real nodes: a weight, a verdict on health, the fence of a node
 * that diverged. Prints one table.
 *
 *   ./scripts/with-node node bench/live.ts [--weights 300] [--verdicts 20] [--fences 2]
 *
 * A weight, through each node in turn: from sending the PATCH with `wait=commit` to its answer; from that answer until all three
 * nodes, asked at once, have said that their proxy threads follow; and from sending it with `wait=all` to its answer.
 * A verdict: a backend begins to fail its probes and goes on serving. From the observation of the second node of three (the one
 * that decides, by the time that it gave itself) to the first request that goes elsewhere, at the last of the three nodes; each is
 * asked every 2 ms at most.
 * A fence: one number of a node's state is changed behind the others' back; until the node says that it is fenced.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, createServer, get, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { waitFor } from '@flotilla/shared/testing';
import { api, leaderNumber, NUMBERS, pidOf, startDemo, stopDemo, webPort } from './harness/demo-run.ts';

const { values } = parseArgs({
  options: {
    weights: { type: 'string', default: '300' },
    verdicts: { type: 'string', default: '20' },
    fences: { type: 'string', default: '2' },
  },
});
const ASK_EVERY_MS = 2;

/** Answers its name; its probes with 200 until it is told to fail them. */
class Backend {
  failing = false;
  readonly #server: Server;

  constructor(name: string) {
    this.#server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      const status = request.url === '/ready' && this.failing ? 503 : 200;
      response.writeHead(status, { 'content-length': name.length }).end(name);
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((settle) => this.#server.listen(0, '127.0.0.1', settle));
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

const agents = new Map(NUMBERS.map((number) => [number, new Agent({ keepAlive: true, maxSockets: 1 })]));

/** Who serves a request through this node. */
function served(number: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const agent = agents.get(number);
    get(
      { host: '127.0.0.1', port: webPort(number), path: '/', ...(agent === undefined ? {} : { agent }) },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve(text));
      },
    ).on('error', reject);
  });
}

/** Wall clock at which this node was seen to serve by `name`. */
async function servedBy(number: number, name: string): Promise<number> {
  for (;;) {
    if ((await served(number)) === name) return performance.timeOrigin + performance.now();
    await sleep(ASK_EVERY_MS);
  }
}

const apiAgent = new Agent({ keepAlive: true });

async function ask(number: number, method: string, path: string, body?: object): Promise<unknown> {
  const payload = body === undefined ? '' : JSON.stringify(body);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
  const answer = await new Promise<{ readonly status: number; readonly text: string }>((resolve, reject) => {
    const sent = request(
      api(number) + path,
      { method, agent: apiAgent, ...(payload === '' ? {} : { headers }) },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      },
    );
    sent.on('error', reject);
    sent.end(payload);
  });
  if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  return JSON.parse(answer.text);
}

const patch = (round: number, wait: 'all' | 'commit') =>
  ask(1 + (round % 3), 'PATCH', `/v1/pools/api/backends/b1?wait=${wait}`, { weight: 1 + (round % 900) });

/** Connections are opened and code is compiled in the first ones. */
const settled = (times: readonly number[]): readonly number[] => times.slice(Math.min(100, times.length >> 1));

async function weights(count: number): Promise<Record<string, object>> {
  const committed: number[] = [];
  const live: number[] = [];
  const all: number[] = [];
  for (let round = 0; round < count; round += 1) {
    const startedMs = performance.now();
    const { revision } = (await patch(round, 'commit')) as { readonly revision: number };
    const committedMs = performance.now();
    await Promise.all(NUMBERS.map((number) => ask(number, 'GET', `/v1/served?revision=${revision}&timeoutMs=5000`)));
    live.push(performance.now() - committedMs);
    committed.push(committedMs - startedMs);
    await sleep(10);
    const sentMs = performance.now();
    await patch(round + 1, 'all');
    all.push(performance.now() - sentMs);
    await sleep(10);
  }
  return {
    'weight, sent to committed': row(settled(committed)),
    'weight, committed to live in all threads of all nodes': row(settled(live)),
    'weight, sent to live everywhere (wait=all)': row(settled(all)),
  };
}

interface Health {
  readonly items: readonly {
    readonly backend: string;
    readonly observers: readonly { readonly ok: boolean; readonly at: number }[];
  }[];
}

/** One pool of two backends, of which the second serves only where the first does not; a new first one in each round. */
async function verdict(round: number, spare: string): Promise<number> {
  const id = `first-${round}`;
  const backend = new Backend(id);
  const address = await backend.start();
  const health = { path: '/ready', intervalMs: 100, timeoutMs: 100, unhealthyAfter: 2, healthyAfter: 1 };
  const backends = [
    { id, address },
    { id: 'spare', address: spare, priority: 1 },
  ];
  await ask(1, 'PUT', '/v1/pools/api?wait=all', { name: 'api', health, backends });
  await Promise.all(NUMBERS.map((number) => servedBy(number, id)));
  await sleep(300);
  backend.failing = true;
  const seen = Math.max(...(await Promise.all(NUMBERS.map((number) => servedBy(number, 'spare')))));
  const { items } = (await ask(1, 'GET', '/v1/health')) as Health;
  const times = (items.find((item) => item.backend === id)?.observers ?? [])
    .filter(({ ok }) => !ok)
    .map(({ at }) => at)
    .sort((a, b) => a - b);
  backend.stop();
  // The time that a node gives is a whole millisecond: up to one is added here.
  return seen - (times[1] ?? Number.NaN);
}

async function fence(): Promise<number> {
  const data = mkdtempSync(join(tmpdir(), 'flotilla-bench-'));
  const run = await startDemo(data, { FLOTILLA_DEBUG: 'diverge' });
  try {
    const leader = await leaderNumber();
    const odd = NUMBERS.find((number) => number !== leader) ?? 1;
    const startedMs = performance.now();
    process.kill(pidOf(run, odd), 'SIGUSR2');
    const isFenced = async (): Promise<boolean> =>
      (await (await fetch(`${api(odd)}/ready`)).text()).includes('quarantined');
    await waitFor('the fence', isFenced, { timeoutMs: 30_000, everyMs: 5 });
    return performance.now() - startedMs;
  } finally {
    await stopDemo(run);
    rmSync(data, { recursive: true, force: true });
  }
}

function row(times: readonly number[]): object {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (ratio: number) =>
    `${(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * ratio))] ?? NaN).toFixed(1)} ms`;
  return { p50: at(0.5), p99: at(0.99), worst: at(1), runs: sorted.length };
}

const data = mkdtempSync(join(tmpdir(), 'flotilla-bench-'));
const run = await startDemo(data);
const table: Record<string, object> = {};
const spare = new Backend('spare');
try {
  Object.assign(table, await weights(Number(values.weights)));
  const address = await spare.start();
  const verdicts: number[] = [];
  for (let round = 0; round < Number(values.verdicts); round += 1) verdicts.push(await verdict(round, address));
  table['verdict, from the deciding observation to live everywhere'] = row(verdicts);
} finally {
  spare.stop();
  for (const agent of [...agents.values(), apiAgent]) agent.destroy();
  await stopDemo(run);
  rmSync(data, { recursive: true, force: true });
}
const fences: number[] = [];
for (let round = 0; round < Number(values.fences); round += 1) fences.push(await fence());
table['divergence to fence'] = row(fences);
console.table(table);
