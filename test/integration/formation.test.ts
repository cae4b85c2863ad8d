/** Story: three nodes form a cluster, a write through a follower is served by all, traffic flows through each node. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { Cluster, targetsOf } from '../harness/cluster.ts';
import { Traffic } from '../harness/traffic.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start();
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

it('agrees on one leader, three voters and one digest', async () => {
  const leader = await cluster.leader();
  const members = await leader.call('GET', '/v1/members');
  expect(members.body.items.map((member: { id: string }) => member.id).sort()).toEqual(['n1', 'n2', 'n3']);
  expect(members.body.items.every((member: { voter: boolean; alive: boolean }) => member.voter && member.alive)).toBe(
    true,
  );
  expect((await cluster.converge()).appliedIndex).toBeGreaterThan(0);
});

it('serves a write through a follower on all nodes', async () => {
  const [follower] = await cluster.followers();
  const written = await follower!.call('PATCH', '/v1/pools/api/backends/b1?wait=all', { body: { weight: 0 } });
  expect(written.status).toBe(200);
  expect(written.headers.get('etag')).toBe(`"${written.body.revision}"`);
  for (const node of cluster.nodes) {
    const read = await node.call('GET', '/v1/pools/api/backends/b1');
    expect(read.body).toMatchObject({ id: 'b1', weight: 0 });
    const backends = new Set<string>();
    for (let count = 0; count < 12; count += 1) {
      const answer = (await (await fetch(`http://127.0.0.1:${node.webPort}/`)).json()) as { backend: string };
      backends.add(answer.backend);
    }
    expect([...backends].sort()).toEqual(['b2', 'b3']);
  }
  await follower!.call('PATCH', '/v1/pools/api/backends/b1?wait=all', { body: { weight: 100 } });
});

it('refuses a write against an older revision and names the current one', async () => {
  const [node] = cluster.nodes;
  const current = await node!.call('GET', '/v1/config');
  const stale = await node!.call('PATCH', '/v1/pools/api/backends/b2', {
    body: { weight: 7 },
    headers: { 'if-match': '"1"' },
  });
  expect(stale.status).toBe(412);
  expect(stale.body.error.code).toBe('REVISION_MISMATCH');
  expect(JSON.stringify(stale.body.error)).toContain(current.headers.get('etag')!.replaceAll('"', ''));
});

it('carries traffic of all kinds through all nodes', async () => {
  const traffic = new Traffic({ targets: targetsOf(cluster.nodes) }).start();
  await waitFor('1000 answers', () => traffic.okCount >= 1000, { timeoutMs: 30_000 });
  const report = await traffic.stop();
  expect(report).toMatchObject({ failed: 0, wrong: 0, excused: 0 });
  expect(Object.keys(report.okByTarget).sort()).toEqual(['n1', 'n2', 'n3']);
  expect(Object.keys(report.okByBackend).sort()).toEqual(['b1', 'b2', 'b3']);
});
