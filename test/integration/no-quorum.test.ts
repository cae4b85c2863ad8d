/** Story: the majority is gone. Writes are refused in time, reads of what is known and traffic go on, a restart needs nobody. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { Cluster, targetsOf } from '../harness/cluster.ts';
import type { ClusterNode } from '../harness/cluster.ts';
import { Traffic } from '../harness/traffic.ts';

/** Tells an answer from a hang on a busy machine. What is promised is 5 s: measured in docs/failure-modes.md. */
const REFUSED_WITHIN_MS = 15_000;

let cluster: Cluster;
let survivor: ClusterNode;
let others: ClusterNode[];
beforeAll(async () => {
  cluster = await Cluster.start();
  const leader = await cluster.leader();
  // The harder case: whoever is left did not lead and knows of the loss only by silence.
  survivor = cluster.nodes.find((node) => node !== leader)!;
  others = cluster.nodes.filter((node) => node !== survivor);
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

const write = (weight: number) =>
  survivor.call('PATCH', '/v1/pools/api/backends/b1', { body: { weight }, timeoutMs: 20_000 });

it('goes on without a majority', async () => {
  const traffic = new Traffic({ targets: targetsOf([survivor]) }).start();
  await Promise.all(others.map((node) => node.process.end('SIGKILL')));

  const startedMs = performance.now();
  const refused = await write(1);
  expect(performance.now() - startedMs).toBeLessThan(REFUSED_WITHIN_MS);
  expect(refused.status).toBe(503);
  expect(['NO_QUORUM', 'NO_LEADER']).toContain(refused.body.error.code);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  await waitFor('NO_QUORUM', async () => (await write(1)).body.error.code === 'NO_QUORUM', { timeoutMs: 20_000 });

  const linearizable = await survivor.call('GET', '/v1/pools/api', { timeoutMs: 20_000 });
  expect(linearizable.status).toBe(503);
  const local = await survivor.call('GET', '/v1/pools/api?consistency=local');
  expect(local.status).toBe(200);
  expect(local.body.backends).toHaveLength(3);

  const ready = await survivor.call('GET', '/ready');
  expect(ready.status).toBe(200);
  expect(ready.body.stale).toBe(true);
  expect((await survivor.status()).quorum).toBe(false);

  const before = traffic.okCount;
  await waitFor('more answers', () => traffic.okCount > before + 200);
  expect(await traffic.stop()).toMatchObject({ failed: 0, wrong: 0, faults: [] });
});

it('boots from its own disk with nobody to ask, and serves', async () => {
  expect(await survivor.process.end('SIGTERM')).toEqual({ code: 0, signal: null });
  survivor.process.start();
  await waitFor('traffic', async () => (await fetch(`http://127.0.0.1:${survivor.webPort}/`)).ok, {
    timeoutMs: 20_000,
  });
  const local = await survivor.call('GET', '/v1/pools/api?consistency=local');
  expect(local.body.backends).toHaveLength(3);
});

it('heals without a hand when the others return', async () => {
  for (const node of others) node.process.start();
  await Promise.all(cluster.nodes.map((node) => node.waitReady()));
  await waitFor('an accepted write', async () => (await write(42)).status === 200, { timeoutMs: 20_000 });
  await cluster.converge();
  for (const node of cluster.nodes) {
    expect((await node.call('GET', '/v1/pools/api/backends/b1?consistency=local')).body.weight).toBe(42);
  }
});

it('refuses the very next write where the leader is left alone, instead of taking what it cannot commit', async () => {
  const leader = await cluster.leader();
  const lost = cluster.nodes.filter((node) => node !== leader);
  await Promise.all(lost.map((node) => node.process.end('SIGKILL')));
  const startedMs = performance.now();
  const refused = await leader.call('PATCH', '/v1/pools/api/backends/b1', { body: { weight: 7 }, timeoutMs: 20_000 });
  expect(performance.now() - startedMs).toBeLessThan(REFUSED_WITHIN_MS);
  expect([refused.status, refused.body.error.code]).toEqual([503, 'NO_QUORUM']);
  for (const node of lost) node.process.start();
  await Promise.all(cluster.nodes.map((node) => node.waitReady()));
  expect((await leader.call('GET', '/v1/pools/api/backends/b1')).body.weight).toBe(42);
});
