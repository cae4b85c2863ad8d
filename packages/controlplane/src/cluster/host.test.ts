/** The host over whole Raft nodes: what it tells of the quorum and what writes meet are one thing. */
import { setImmediate as immediate } from 'node:timers/promises';
import { TestCluster } from '@flotilla/raft/testing';
import { afterEach, expect, test } from 'vitest';
import { ClusterStateMachine } from '../state/index.ts';
import { ClusterHost, type Draft } from './host.ts';

const WRITE: Draft = { type: 'backend.set', pool: 'none', id: 'b1', weight: 1 };

let cluster: TestCluster<ClusterStateMachine> | null = null;
afterEach(async () => {
  await cluster?.close();
  cluster = null;
});

test('a write that follows the word that there is no quorum is refused, however recently one was taken', async () => {
  cluster = await TestCluster.start({ names: ['n1', 'n2', 'n3'], machine: () => new ClusterStateMachine() });
  const { name, node, machine } = await cluster.leader();
  // At first no time passes: whatever the host looked at last, it looked at just now.
  let stoppedMs: number | null = performance.now();
  const host = new ClusterHost(node, machine, name, () => stoppedMs ?? performance.now());
  const earlier = host.propose(WRITE).catch((error: unknown) => error);
  const others = cluster.running.filter((member) => member.name !== name);
  const killed = others.map((member) => cluster!.kill(member.name));
  while (node.status().quorum) await immediate();
  expect(host.status()).toMatchObject({ role: 'leader', quorum: false });
  const write = host.propose(WRITE, 500);
  stoppedMs = null;
  await expect(write).rejects.toMatchObject({ code: 'NO_QUORUM' });
  await Promise.all([earlier, ...killed]);
});
