/**
 * What a node holds and how long changes take, where there is much of something: idle connections, requests, backends.
 *
 *   ./scripts/with-node node bench/proxy-scale.ts [--connections 10000] [--requests 100000] [--changes 100] [--cores 0]
 *
 * Idle: memory that connections add which have had one answer each. Growth: memory that further requests add to a node that is warm.
 * Changes: 10,000 backends in 1,000 pools; time from a PATCH of a weight to its answer, which comes when the proxy thread serves it,
 * and the latency of requests one after the other meanwhile, beside the same without changes; the node has `--cores` for this, since
 * on one core its control thread takes turns with its proxy thread. Needs nginx, wrk, ports 8110, 17410, 17510 and 9001-9013 of
 * 127.0.0.1, and `ulimit -n` above the connections. Node on CPU 0 but for that, the rest on CPU 1.
 */
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { LAUNCHER, ORIGIN_PORTS, residentMiB, Scene, wrk } from './harness/beside.ts';
import type { Contestant } from './harness/beside.ts';

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '10000' },
    requests: { type: 'string', default: '100000' },
    changes: { type: 'string', default: '100' },
    cores: { type: 'string', default: '0' },
  },
});
const PORT = 8110;
const API = 17_410;
const POOLS_COUNT = 1_000;
const BACKENDS_PER_POOL = 10;
const SETTLE_MS = 3_000;
/** Of this process, only while it measures: what it starts inherits it. */
const NICENESS = -15;
const scene = new Scene();

function node(name: string, poolCount: number): Contestant {
  const pools = Array.from({ length: poolCount }, (_, pool) => ({
    name: `p${pool}`,
    health: { protocol: 'none' },
    backends: Array.from({ length: BACKENDS_PER_POOL }, (_backend, at) => ({
      id: `b${at}`,
      address: `127.0.0.1:${ORIGIN_PORTS[at % ORIGIN_PORTS.length]}`,
    })),
  }));
  const listeners = [{ name: 'web', port: PORT, protocol: 'http', routes: [{ match: {}, pool: 'p0' }] }];
  const config = scene.file(`${name}.yaml`, JSON.stringify({ listeners, pools }));
  const command = `${LAUNCHER} node --node-id bench --data-dir ${scene.folder}/${name} --initial-config ${config}`;
  const bound = `--api-listen 127.0.0.1:${API} --raft-listen 127.0.0.1:17510 --bind-address 127.0.0.1`;
  return { name, port: PORT, command: `${command} ${bound} --proxy-threads 1 --log-level warn` };
}

async function idleConnections(pid: number): Promise<void> {
  const url = `http://127.0.0.1:${PORT}/`;
  wrk(url, { seconds: 2, connections: 64 });
  await sleep(SETTLE_MS);
  const before = residentMiB(pid);
  const sockets: Socket[] = [];
  for (let count = 0; count < Number(values.connections); count += 1) {
    const socket = connect(PORT, '127.0.0.1');
    await once(socket, 'connect');
    socket.write('GET / HTTP/1.1\r\nHost: idle.test\r\n\r\n');
    await once(socket, 'data');
    sockets.push(socket);
  }
  await sleep(SETTLE_MS);
  const after = residentMiB(pid);
  console.log(
    `${sockets.length} idle connections: ${Math.round(before)} MiB before, ${Math.round(after)} MiB with them`,
  );
  for (const socket of sockets) socket.destroy();
  await sleep(SETTLE_MS);
}

async function growth(pid: number): Promise<void> {
  const url = `http://127.0.0.1:${PORT}/`;
  const sizes: number[] = [];
  let done = 0;
  for (let round = 0; round < 4; round += 1) {
    for (done = 0; done < Number(values.requests); ) done += wrk(url, { seconds: 1, connections: 64 }).requests;
    await sleep(SETTLE_MS);
    sizes.push(Math.round(residentMiB(pid)));
  }
  console.log(`memory after each of four times ${values.requests} requests or more: ${sizes.join(', ')} MiB`);
}

const agent = new Agent({ keepAlive: true, maxSockets: 1 });

/** Milliseconds to a whole answer. */
async function ask(options: { port: number; path: string; method?: string; body?: string }): Promise<number> {
  const startedMs = performance.now();
  const { port, path, method = 'GET', body } = options;
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  const asked = request({ host: '127.0.0.1', port, path, method, agent, headers }).end(body);
  const [answer] = (await once(asked, 'response')) as [NodeJS.ReadableStream & { statusCode: number }];
  answer.resume();
  await once(answer, 'end');
  if (answer.statusCode !== 200) throw new Error(`${method} ${path} was answered with ${answer.statusCode}`);
  return performance.now() - startedMs;
}

const HEAD = Buffer.from('GET / HTTP/1.1\r\nHost: scale.test\r\n\r\n');
const LATENCIES_MAX_COUNT = 1_000_000;

/**
 * Requests one after the other on one connection until `isOver`; their latencies in ascending order. On a bare socket: the garbage
 * of a client of Node's is collected in pauses of up to 8 ms, which would be taken for the proxy's.
 */
async function latencies(isOver: () => boolean): Promise<number[]> {
  const all = new Float64Array(LATENCIES_MAX_COUNT);
  let count = 0;
  const socket = connect(PORT, '127.0.0.1').setNoDelay();
  await once(socket, 'connect');
  while (!isOver() && count < LATENCIES_MAX_COUNT) {
    const startedMs = performance.now();
    socket.write(HEAD);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    all[count] = performance.now() - startedMs;
    if (!answer.includes(' 200 ')) throw new Error(`GET / was answered with ${answer.toString()}`);
    count += 1;
    await sleep(1);
  }
  socket.destroy();
  return [...all.subarray(0, count).toSorted()];
}

/** Before threads of the node that share its core: what it measures is not when the kernel lets it look. */
function takePrecedence(): void {
  try {
    setPriority(NICENESS);
  } catch {
    console.log('not as root: latencies include waits of this process for a core');
  }
}

const text = (sorted: readonly number[]): string => {
  const at = (ratio: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * ratio))] ?? NaN).toFixed(1);
  return `median ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms, worst ${at(1)} ms of ${sorted.length}`;
};

async function changes(): Promise<void> {
  takePrecedence();
  // The code of this process is cold, too: what it takes to run it first would be counted.
  for (let count = 0; count < 50; count += 1) await ask({ port: API, path: '/v1/status' });
  await latencies(countdown(2_000));
  console.log(`requests without changes: ${text(await latencies(countdown(5_000)))}`);
  const took: number[] = [];
  let isDone = false;
  const meanwhile = latencies(() => isDone);
  for (let count = 0; count < Number(values.changes); count += 1) {
    const path = `/v1/pools/p${(count * 7) % POOLS_COUNT}/backends/b${count % BACKENDS_PER_POOL}`;
    const body = JSON.stringify({ weight: 1 + (count % 100) });
    took.push(await ask({ port: API, path, method: 'PATCH', body }));
    await sleep(20);
  }
  isDone = true;
  console.log(`requests meanwhile: ${text(await meanwhile)}`);
  console.log(`PATCH of a weight to its answer: ${text(took.toSorted((a, b) => a - b))}`);
}

function countdown(ms: number): () => boolean {
  const endMs = performance.now() + ms;
  return () => performance.now() >= endMs;
}

try {
  await scene.startOrigin();
  await scene.during(node('small', 1), '0', async (pid) => {
    await idleConnections(pid);
    await growth(pid);
  });
  await scene.during(node('large', POOLS_COUNT), values.cores, () => changes());
} finally {
  agent.destroy();
  await scene.close();
}
