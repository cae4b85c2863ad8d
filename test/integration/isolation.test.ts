/**
 * Story: nodes that stand still, that hear or are heard by nobody, whose disk is slow, whose clocks are hours apart. Each fault
 * stands for a while under sessions that move between the nodes, and is undone. None makes a verdict wrong, moves a session,
 * loses a pin or lets two nodes differ. FLOTILLA_PAUSE_SECONDS makes each last longer than the few seconds of the suite.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { targetsOf } from '../harness/cluster.ts';
import type { ClusterNode } from '../harness/cluster.ts';
import { FaultCluster } from '../harness/fault-cluster.ts';
import { SessionClients } from '../harness/sessions.ts';

const LASTS_MS = Number(process.env.FLOTILLA_PAUSE_SECONDS ?? 5) * 1_000;
const SESSIONS = 200;
const HEADER = 'x-user';
const HOUR_S = 3_600;
const SLOW_SYNC_MS = 1_500;
const RECOVERED_WITHIN_MS = 60_000;

let faulty: FaultCluster;
let clients: SessionClients;
let round = 0;
let weight = 100;

beforeAll(async () => {
  faulty = await FaultCluster.start({
    pool: {
      affinity: { type: 'header', name: HEADER, ttlMs: HOUR_S * 1_000 },
      // Patient: a busy machine must not pass for a sick backend.
      health: { intervalMs: 1_000, timeoutMs: 1_000, unhealthyAfter: 3 },
    },
  });
  for (const line of faulty.machine.missing) console.log(`left out: ${line}`);
  const { nodes } = faulty.cluster;
  clients = new SessionClients({ count: SESSIONS, header: HEADER, targets: targetsOf(nodes) });
  const arePinned = async (): Promise<boolean> => {
    await clients.round((round += 1));
    return (await Promise.all(nodes.map(pinsOf))).every((pins) => pins.size === SESSIONS);
  };
  await waitFor('every session to be pinned on every node', arePinned, { timeoutMs: RECOVERED_WITHIN_MS });
});
afterAll(async () => {
  clients?.close();
  await faulty?.[Symbol.asyncDispose]();
});

interface Pin {
  readonly key: string;
  readonly backend: string;
}

async function pinsOf(node: ClusterNode): Promise<ReadonlyMap<string, string>> {
  const { body } = await node.call('GET', '/v1/sessions?pool=api&limit=1000&consistency=local');
  return new Map((body.items as Pin[]).map(({ key, backend }) => [key, backend]));
}

interface Health {
  readonly backend: string;
  readonly verdict: string;
  readonly since: string;
}

/** Verdicts with the moment since when they hold: one that changed and changed back is seen. */
async function verdictsOf(node: ClusterNode): Promise<readonly string[]> {
  const { body } = await node.call('GET', '/v1/health?consistency=local');
  return (body.items as Health[]).map(({ backend, verdict, since }) => `${backend} ${verdict} since ${since}`);
}

/** Some node takes a change, at the latest when a new leader was found. */
async function write(nodes: readonly ClusterNode[]): Promise<void> {
  weight = 1 + (weight % 1_000);
  const attempt = async (): Promise<boolean> => {
    for (const node of nodes) {
      const { status } = await node.call('PATCH', '/v1/pools/api/backends/b1?wait=commit', { body: { weight } });
      if (status === 200) return true;
    }
    return false;
  };
  await waitFor('an accepted change', attempt, { timeoutMs: RECOVERED_WITHIN_MS });
}

interface Deed {
  readonly name: string;
  readonly on: 'leader' | 'follower';
  readonly begin: (node: ClusterNode) => void;
  readonly undo: (node: ClusterNode) => void;
  /** Its own requests wait meanwhile, so that clients go elsewhere. */
  readonly isSilent?: boolean;
}

const cutOff = (from: 'itself' | 'others', kind: 'hold' | 'pass') => (node: ClusterNode) => {
  for (const { id } of faulty.cluster.nodes.filter((other) => other !== node)) {
    if (from === 'itself') faulty.network.set(node.id, id, { kind });
    else faulty.network.set(id, node.id, { kind });
  }
};
const pause = {
  begin: (node: ClusterNode) => node.process.signal('SIGSTOP'),
  undo: (node: ClusterNode) => node.process.signal('SIGCONT'),
  isSilent: true,
};
const mute = { begin: cutOff('itself', 'hold'), undo: cutOff('itself', 'pass') };
const deaf = { begin: cutOff('others', 'hold'), undo: cutOff('others', 'pass') };
const clocks = (hours: number) => ({
  begin: (node: ClusterNode) => faulty.machine.stepClock(node.id, hours * HOUR_S),
  undo: (node: ClusterNode) => faulty.machine.stepClock(node.id, 0),
});
const slowDisk = {
  begin: (node: ClusterNode) => faulty.machine.slowDisk(node.id, SLOW_SYNC_MS),
  undo: (node: ClusterNode) => faulty.machine.slowDisk(node.id, 0),
};

const DEEDS: readonly Deed[] = [
  { name: 'the leader stands still', on: 'leader', ...pause },
  { name: 'a follower stands still', on: 'follower', ...pause },
  { name: 'nobody hears the leader', on: 'leader', ...mute },
  { name: 'the leader hears nobody', on: 'leader', ...deaf },
  { name: 'nobody hears a follower', on: 'follower', ...mute },
  { name: 'a follower hears nobody', on: 'follower', ...deaf },
  { name: 'the disk of the leader is slow', on: 'leader', ...slowDisk },
  { name: 'the clock of the leader is a day ahead', on: 'leader', ...clocks(26) },
  { name: 'the clock of the leader is a day behind', on: 'leader', ...clocks(-26) },
  { name: 'the clock of a follower is hours ahead', on: 'follower', ...clocks(7) },
];

it.each(DEEDS)(
  '$name, and is itself again: no verdict, session or pin changes, and states are equal',
  async ({ on, begin, undo, isSilent = false }) => {
    const { cluster } = faulty;
    const { nodes } = cluster;
    const leader = await cluster.leader();
    const node = on === 'leader' ? leader : (await cluster.followers())[0]!;
    const verdicts = await verdictsOf(leader);
    const pins = await pinsOf(leader);
    begin(node);
    const asked = isSilent ? nodes.filter((other) => other !== node) : nodes;
    clients.targets = targetsOf(asked);
    const endMs = performance.now() + LASTS_MS;
    while (performance.now() < endMs) {
      await clients.round((round += 1));
      await sleep(LASTS_MS / 50);
    }
    await write(nodes.filter((other) => other !== node));
    undo(node);
    clients.targets = targetsOf(nodes);
    await Promise.all(nodes.map((one) => one.waitReady(RECOVERED_WITHIN_MS)));
    await cluster.leader();
    await write([node]);
    await clients.round((round += 1));
    await cluster.converge(RECOVERED_WITHIN_MS);
    expect(clients.strays).toEqual([]);
    expect(clients.failedCount).toBe(0);
    for (const one of nodes) {
      expect(await verdictsOf(one), one.id).toEqual(verdicts);
      expect(await pinsOf(one), one.id).toEqual(pins);
    }
  },
  LASTS_MS + 4 * RECOVERED_WITHIN_MS,
);
