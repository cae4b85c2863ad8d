/**
 * No false elections: a healthy leader keeps its office while its machine is worked hard. Proxy threads of all nodes are
 * saturated all the time; meanwhile, in turn, a configuration of 10 MB is written, a wiped node catches up, garbage arrives
 * at the Raft port as fast as it is taken, and the leader's process stands still for 300 ms. Prints one table; the exit code
 * is 1 where the leader or the term changed.
 *
 *   ./scripts/with-node node test/chaos/soak.ts [--minutes 10]
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { waitFor } from '@flotilla/shared/testing';
import { parse } from 'yaml';
import type { ClusterNode } from '../harness/cluster.ts';
import { FaultCluster } from '../harness/fault-cluster.ts';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } });
const untilMs = performance.now() + Number(values.minutes) * 60_000;
const CONNECTIONS_PER_NODE = 24;
const GARBAGE_MS = 3_000;
const GARBAGE_CHUNK = randomBytes(1024 * 1024);
const STALL_MS = 300;
const QUIET_MS = 2_000;
const BALLAST_BACKENDS = 500;
const BALLAST_TAGS = 20;
const BALLAST_TAG_CHARS = 1_000;
const WIPED_WITHIN_MS = 120_000;

/** Keeps the proxy threads busy; answers how many requests were answered so far. */
function saturate(nodes: readonly ClusterNode[]): { readonly stop: () => void; readonly count: () => number } {
  let answered = 0;
  let isRunning = true;
  for (const { webPort } of nodes) {
    const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS_PER_NODE });
    const once = (): void => {
      if (!isRunning) return agent.destroy();
      const outgoing = request({ host: '127.0.0.1', port: webPort, path: '/', agent }, (incoming) => {
        incoming.resume();
        incoming.once('close', once);
        answered += 1;
      });
      // The node may be the one that is wiped just now.
      outgoing.once('error', () => void setTimeout(once, 200));
      outgoing.end();
    };
    for (let number = 0; number < CONNECTIONS_PER_NODE; number += 1) once();
  }
  return { stop: () => void (isRunning = false), count: () => answered };
}

const ballast = (round: number): object => {
  const text = String(round % 10).repeat(BALLAST_TAG_CHARS);
  const tags = Object.fromEntries(Array.from({ length: BALLAST_TAGS }, (_, at) => [`t${at}`, text]));
  const backends = Array.from({ length: BALLAST_BACKENDS }, (_, at) => ({
    id: `x${at}`,
    address: '127.0.0.1:9',
    state: 'maintenance',
    tags,
  }));
  return { name: 'ballast', health: { path: '/ready', intervalMs: 60_000, timeoutMs: 2_000 }, backends };
};

interface Strain {
  readonly name: string;
  readonly run: (leader: ClusterNode, round: number) => Promise<string>;
}

const strainsOf = (faulty: FaultCluster): readonly Strain[] => [
  { name: 'saturated proxy threads alone', run: async () => sleep(QUIET_MS, '') },
  {
    name: 'a configuration of 10 MB',
    run: async (leader, round) => {
      const reply = await leader.call('PUT', '/v1/pools/ballast', { body: ballast(round), timeoutMs: 60_000 });
      return reply.status === 200 ? '' : `status ${reply.status} ${JSON.stringify(reply.body).slice(0, 200)}`;
    },
  },
  {
    name: 'a wiped node catches up',
    run: async (leader) => {
      const node = faulty.cluster.nodes.find((other) => other !== leader)!;
      await node.process.end('SIGKILL');
      const removed = await leader.call('DELETE', `/v1/members/${node.id}`);
      rmSync(`${faulty.dataOf(node)}/raft`, { recursive: true, force: true });
      faulty.joinThrough(node, leader);
      node.process.start();
      await node.waitReady(WIPED_WITHIN_MS);
      return removed.status === 200 ? '' : `removal: status ${removed.status}`;
    },
  },
  {
    name: 'garbage at the Raft port',
    run: async (leader) => {
      const settings = parse(readFileSync(leader.settingsFile, 'utf8')) as { readonly raftListen: string };
      const port = Number(settings.raftListen.split(':').at(-1));
      const endMs = performance.now() + GARBAGE_MS;
      let sentBytes = 0;
      while (performance.now() < endMs) sentBytes += await throwGarbage(port);
      return `${(sentBytes / 1e6 / (GARBAGE_MS / 1_000)).toFixed(0)} MB/s`;
    },
  },
  {
    name: `the leader stands still for ${STALL_MS} ms`,
    run: async (leader) => {
      leader.process.signal('SIGSTOP');
      await sleep(STALL_MS);
      leader.process.signal('SIGCONT');
      return '';
    },
  },
];

/** One connection that sends noise until it is closed. */
function throwGarbage(port: number): Promise<number> {
  return new Promise((settle) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.on('error', () => undefined);
    socket.once('connect', () => socket.write(GARBAGE_CHUNK));
    socket.once('close', () => settle(socket.bytesWritten));
  });
}

interface Row {
  times: number;
  kept: number;
  terms: number;
  note: string;
}

async function run(): Promise<boolean> {
  const faulty = await FaultCluster.start();
  const load = saturate(faulty.cluster.nodes);
  const rows = new Map<string, Row>();
  const startedMs = performance.now();
  try {
    for (let round = 0; performance.now() < untilMs || round === 0; round += 1) {
      for (const strain of strainsOf(faulty)) {
        const leader = await faulty.cluster.leader();
        const before = await termOf(leader);
        const note = await strain.run(leader, round);
        // Whatever it set off shows within an election timeout or two.
        await sleep(QUIET_MS);
        const after = await faulty.cluster.leader();
        const terms = (await termOf(after)) - before;
        const row = rows.get(strain.name) ?? { times: 0, kept: 0, terms: 0, note: '' };
        rows.set(strain.name, row);
        row.times += 1;
        row.kept += after === leader && terms === 0 ? 1 : 0;
        row.terms += terms;
        row.note = note === '' ? row.note : note;
        console.log(
          `${((performance.now() - startedMs) / 1_000).toFixed(0)} s  ${strain.name}: ${terms} elections ${note}`,
        );
      }
    }
  } finally {
    load.stop();
    await faulty[Symbol.asyncDispose]();
  }
  const perSecond = load.count() / ((performance.now() - startedMs) / 1_000);
  console.log(`\n${perSecond.toFixed(0)} requests/s through the proxies all the while\n`);
  console.log('| strain | times | leader kept | elections | note |\n|---|---:|---:|---:|---|');
  for (const [name, { times, kept, terms, note }] of rows)
    console.log(`| ${name} | ${times} | ${kept} | ${terms} | ${note} |`);
  return [...rows.values()].every(({ times, kept, terms }) => times === kept && terms === 0);
}

async function termOf(node: ClusterNode): Promise<number> {
  return waitFor(
    `the term of ${node.id}`,
    async () => (await node.call('GET', '/v1/status', { timeoutMs: 2_000 })).body.term as number,
    { timeoutMs: 20_000 },
  );
}

process.exitCode = (await run()) ? 0 : 1;
