/**
 * Story: a cluster grows from one node to five and shrinks to three others, while traffic and writes go on; a dead node is
 * replaced, a wiped disk is refused and taken in anew, and who does not belong is told what to do.
 */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { Cluster, targetsOf } from '../harness/cluster.ts';
import type { ClusterNode } from '../harness/cluster.ts';
import { flotilla } from '../harness/process.ts';
import { Traffic } from '../harness/traffic.ts';
import { Writer } from '../harness/writer.ts';

let cluster: Cluster | null = null;
afterEach(async () => {
  await cluster?.[Symbol.asyncDispose]();
  cluster = null;
});

async function voters(node: ClusterNode): Promise<string[]> {
  const { body } = await node.call('GET', '/v1/members');
  const items = body.items as { id: string; voter: boolean; alive: boolean; ready: boolean }[];
  return items.filter(({ voter, alive, ready }) => voter && alive && ready).map(({ id }) => id);
}

const whenVoters = (node: ClusterNode, ids: string) =>
  waitFor(`voters ${ids}`, async () => (await voters(node)).join() === ids, { timeoutMs: 30_000, everyMs: 50 });

/** As an operator takes a node out for good. */
async function leave(node: ClusterNode, through: ClusterNode, traffic: Traffic): Promise<void> {
  const drained = await through.call('PUT', `/v1/members/${node.id}/drain`, {
    body: { deadlineMs: 5_000, propagationMs: 300 },
  });
  expect(drained.status, JSON.stringify(drained.body)).toBe(200);
  await waitFor(`${node.id} not to be ready`, async () => !(await node.isReady()), { everyMs: 20 });
  traffic.withdraw(node.id);
  const path = `/v1/members/${node.id}/drain`;
  await waitFor('drained', async () => (await through.call('GET', path)).body.phase === 'drained', {
    timeoutMs: 15_000,
  });
  const removed = await flotilla(['members', 'remove', node.id, '--server', through.api]);
  expect(removed.code, removed.stderr).toBe(0);
  await waitFor(`${node.id} to know`, async () => {
    const { body } = await node.call('GET', '/ready');
    return (body.reasons as string[]).join().includes('removed');
  });
  expect(await node.process.end('SIGTERM')).toEqual({ code: 0, signal: null });
}

it('grows from one to five and shrinks to three others without losing a request or a write', async () => {
  const c = (cluster = await Cluster.start({ nodes: 1, backends: 2 }));
  const first = c.node('n1');
  for (const id of ['n2', 'n3', 'n4', 'n5']) await c.addJoining(id, first);
  const traffic = new Traffic({ targets: targetsOf(c.nodes) });
  for (const id of ['n2', 'n3', 'n4', 'n5']) traffic.withdraw(id);
  traffic.start();
  const writer = new Writer(c.nodes.slice(2), 'b1', 20);
  const early = new Writer([first], 'b2', 20).start();
  const grow = async (...ids: string[]): Promise<void> => {
    for (const id of ids) c.node(id).process.start();
    for (const id of ids) {
      await c.node(id).waitReady();
      traffic.restore(id);
    }
  };
  await grow('n2', 'n3');
  await whenVoters(first, 'n1,n2,n3');
  await grow('n4', 'n5');
  await whenVoters(first, 'n1,n2,n3,n4,n5');
  const promised = await early.stop();
  writer.start();
  await leave(first, c.node('n4'), traffic);
  await leave(c.node('n2'), c.node('n4'), traffic);
  await whenVoters(c.node('n3'), 'n3,n4,n5');
  const before = writer.acknowledgedCount;
  await waitFor('more writes', () => writer.acknowledgedCount > before + 20);
  const written = await writer.stop();
  expect(await traffic.stop()).toMatchObject({ failed: 0, wrong: 0, excused: 0, faults: [] });
  expect(promised.acknowledged.length).toBeGreaterThan(0);
  for (const [backend, { possible }] of [
    ['b1', written],
    ['b2', promised],
  ] as const) {
    const { body } = await c.node('n5').call('GET', `/v1/pools/api/backends/${backend}`);
    expect([...possible]).toContain(body.weight);
  }
});

it('replaces a dead node, and takes a wiped one in anew', async () => {
  const c = (cluster = await Cluster.start({ backends: 1 }));
  const [first, second, third] = c.nodes as [ClusterNode, ClusterNode, ClusterNode];
  await second.process.end('SIGKILL');
  rmSync(join(c.directory, 'n2'), { recursive: true });
  await waitFor('n2 to be seen dead', async () => (await voters(first)).join() === 'n1,n3');

  // The disk is gone: under its old settings it is refused, and told what to do.
  second.process.start();
  expect(await second.process.waitForEnd()).toEqual({ code: 78, signal: null });
  expect(second.process.output).toContain('FLOTILLA_JOIN');
  // So it is where it joins under the name of a member that was not removed.
  const again = await c.addJoining('n2', third);
  again.process.start();
  await again.process.waitForOutput('flotilla members remove n2');
  expect((await flotilla(['members', 'remove', 'n2', '--server', third.api])).code).toBe(0);
  await again.waitReady();
  await whenVoters(first, 'n1,n2,n3');
  const written = await again.call('PATCH', '/v1/pools/api/backends/b1?wait=all', { body: { weight: 9 } });
  expect(written.status, JSON.stringify(written.body)).toBe(200);
});

it('refuses to remove who is needed for a quorum', async () => {
  const c = (cluster = await Cluster.start({ backends: 1 }));
  const [first, second, third] = c.nodes as [ClusterNode, ClusterNode, ClusterNode];
  await third.process.end('SIGKILL');
  await waitFor('n3 to be seen dead', async () => (await voters(first)).join() === 'n1,n2');
  const refused = await flotilla(['members', 'remove', 'n2', '--server', first.api]);
  expect(refused.code, refused.stderr).toBe(1);
  expect(refused.stderr).toContain('1 of 2 voters would be alive');
  expect((await second.status()).quorum).toBe(true);
});

it('keeps out a node of another cluster and a copy of a member', async () => {
  const c = (cluster = await Cluster.start({ backends: 1 }));
  const [first, , third] = c.nodes as [ClusterNode, ClusterNode, ClusterNode];
  const stranger = await c.addJoining('n9', first, { clusterName: 'other' });
  stranger.process.start();
  await stranger.process.waitForOutput('this is the cluster test, not other');
  expect(await voters(first)).toEqual(['n1', 'n2', 'n3']);
  await stranger.process.end('SIGKILL');

  await third.process.end('SIGTERM');
  const copy = await c.addJoining('n3', first, { join: undefined, peers: `n3=127.0.0.1:1` });
  cpSync(join(c.directory, 'n3'), copy.settingsFile.replace('.yaml', ''), { recursive: true });
  third.process.start();
  await third.waitReady();
  copy.process.start();
  const told = /another running process has the same identity: was a data directory copied\?/;
  await waitFor('the refusal of the copy', () => [copy, ...c.nodes].some(({ process }) => told.test(process.output)), {
    timeoutMs: 20_000,
  });
  const written = await first.call('PATCH', '/v1/pools/api/backends/b1', { body: { weight: 5 } });
  expect(written.status).toBe(200);
});
