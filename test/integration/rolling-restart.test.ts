/**
 * Story: every node is drained, stopped, started and taken back in turn, while traffic flows the way a balancer in front
 * would send it: to nodes whose /ready says 200. Nothing fails and nothing needs an excuse.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { Cluster, targetsOf } from '../harness/cluster.ts';
import type { ClusterNode } from '../harness/cluster.ts';
import { flotilla } from '../harness/process.ts';
import { Traffic } from '../harness/traffic.ts';
import { Writer } from '../harness/writer.ts';

/** How often the balancer in front asks /ready. */
const ASKS_EVERY_MS = 100;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start();
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

async function restart(node: ClusterNode, traffic: Traffic): Promise<void> {
  const drained = await node.call('PUT', `/v1/members/${node.id}/drain`, {
    body: { deadlineMs: 10_000, reason: 'test' },
  });
  expect(drained.status, JSON.stringify(drained.body)).toBe(200);
  const notReady = async (): Promise<boolean> => !(await node.isReady());
  await waitFor(`${node.id} not to be ready`, notReady, { everyMs: ASKS_EVERY_MS });
  traffic.withdraw(node.id);
  const phase = async (): Promise<string> =>
    (await node.call('GET', `/v1/members/${node.id}/drain`)).body.phase as string;
  await waitFor(`${node.id} to be drained`, async () => (await phase()) === 'drained', { timeoutMs: 20_000 });
  expect(await node.process.end('SIGTERM')).toEqual({ code: 0, signal: null });
  node.process.start();
  const undrain = async (): Promise<boolean> =>
    (await node.call('DELETE', `/v1/members/${node.id}/drain`)).status === 200;
  await waitFor(`${node.id} to be taken back`, undrain, { timeoutMs: 20_000, everyMs: 50 });
  await node.waitReady();
  traffic.restore(node.id);
  await cluster.countedIn();
}

it('costs no request', async () => {
  const traffic = new Traffic({ targets: targetsOf(cluster.nodes) }).start();
  for (const node of cluster.nodes) await restart(node, traffic);
  const before = traffic.report().okByTarget;
  const more = (): boolean =>
    cluster.nodes.every(({ id }) => (traffic.report().okByTarget[id] ?? 0) > (before[id] ?? 0) + 20);
  await waitFor('traffic through every node', more);
  expect(await traffic.stop()).toMatchObject({ failed: 0, wrong: 0, excused: 0, faults: [] });
  await cluster.converge();
});

/** What a balancer in front does: asks every node's /ready and sends new work only where it says 200. */
async function balance(traffic: Traffic, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await Promise.all(
      cluster.nodes.map(async (node) => {
        const ready = await node.isReady().catch(() => false);
        if (ready) traffic.restore(node.id);
        else traffic.withdraw(node.id);
      }),
    );
    await sleep(ASKS_EVERY_MS);
  }
}

it('costs no request and no write as one command through the API either', async () => {
  const pids = cluster.nodes.map((node) => node.process.pid);
  const startedAt = await Promise.all(cluster.nodes.map(async (node) => (await node.status()).node.startedAt));
  const traffic = new Traffic({ targets: targetsOf(cluster.nodes) }).start();
  const writer = new Writer(cluster.nodes, 'b1', 50).start();
  const stop = new AbortController();
  const balancer = balance(traffic, stop.signal);
  const servers = cluster.nodes.map(({ api }) => api).join(',');
  const done = await flotilla(['rolling-restart', '--propagation', '1000', '--deadline', '10000', '--server', servers]);
  expect(done.code, done.stderr + done.stdout).toBe(0);
  for (const { id } of cluster.nodes) expect(done.stdout).toContain(`${id}: in service`);
  stop.abort();
  await balancer;
  const written = await writer.stop();
  expect(await traffic.stop()).toMatchObject({ failed: 0, wrong: 0, excused: 0, faults: [] });
  expect(cluster.nodes.map((node) => node.process.pid)).toEqual(pids);
  const now = await Promise.all(cluster.nodes.map(async (node) => (await node.status()).node.startedAt));
  for (const [at, before] of startedAt.entries()) expect(now[at]).not.toBe(before);
  const { body } = await cluster.node('n1').call('GET', '/v1/pools/api/backends/b1');
  expect([...written.possible]).toContain(body.weight);
  expect(written.acknowledged.length).toBeGreaterThan(0);
  await cluster.converge();
});

it('restarts no node that is in service', async () => {
  const [first, second] = cluster.nodes;
  const refused = await first!.call('POST', `/v1/members/${second!.id}/restart`);
  expect(refused.status, JSON.stringify(refused.body)).toBe(409);
  expect(refused.body.error.hint).toContain('flotilla drain');
});

it('refuses to drain the last ready node', async () => {
  const [first, second, third] = cluster.nodes;
  for (const node of [first!, second!]) {
    const answer = await third!.call('PUT', `/v1/members/${node.id}/drain?force=true`, { body: { deadlineMs: 0 } });
    expect(answer.status).toBe(200);
    await waitFor(`${node.id} not to be ready`, async () => !(await node.isReady()));
  }
  const refused = await third!.call('PUT', `/v1/members/${third!.id}/drain`, { body: {} });
  expect(refused.status).toBe(409);
  for (const node of [first!, second!]) await third!.call('DELETE', `/v1/members/${node.id}/drain`);
  await Promise.all(cluster.nodes.map((node) => node.waitReady()));
});
