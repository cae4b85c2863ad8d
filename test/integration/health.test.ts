/** Story: a backend says that it is not ready; all nodes come to one verdict, send it nothing, and take it back. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { Cluster, targetsOf } from '../harness/cluster.ts';
import { Traffic } from '../harness/traffic.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start();
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

async function verdicts(): Promise<string[]> {
  const answers = await Promise.all(cluster.nodes.map((node) => node.call('GET', '/v1/health?consistency=local')));
  return answers.map(
    ({ body }) => body.items.find((item: { backend: string }) => item.backend === 'b3').verdict as string,
  );
}

const backendsSeen = async (): Promise<Set<string>> => {
  const seen = new Set<string>();
  for (const node of cluster.nodes) {
    for (let count = 0; count < 9; count += 1) {
      const answer = (await (await fetch(`http://127.0.0.1:${node.webPort}/`)).json()) as { backend: string };
      seen.add(answer.backend);
    }
  }
  return seen;
};

it('takes a failing backend out on all nodes and back in, and loses nothing', async () => {
  const { port } = cluster.backends[2]!;
  const traffic = new Traffic({ targets: targetsOf(cluster.nodes) }).start();
  await fetch(`http://127.0.0.1:${port}/fail`, { method: 'POST' });
  await waitFor('the verdict down everywhere', async () => (await verdicts()).every((verdict) => verdict === 'down'));
  expect([...(await backendsSeen())].sort()).toEqual(['b1', 'b2']);
  const [node] = cluster.nodes;
  const { body } = await node!.call('GET', '/v1/health');
  const item = body.items.find((row: { backend: string }) => row.backend === 'b3');
  expect(item.observers.filter((observer: { ok: boolean }) => !observer.ok).length).toBeGreaterThanOrEqual(2);
  expect(item.reason).not.toBe('');

  await fetch(`http://127.0.0.1:${port}/recover`, { method: 'POST' });
  await waitFor('the verdict up everywhere', async () => (await verdicts()).every((verdict) => verdict === 'up'));
  await waitFor('traffic to it', async () => (await backendsSeen()).has('b3'));
  expect(await traffic.stop()).toMatchObject({ failed: 0, wrong: 0, faults: [] });
});

it('puts the verdict and the counters into the metrics of every node', async () => {
  for (const node of cluster.nodes) {
    const { body, status } = await node.call('GET', '/metrics');
    expect(status).toBe(200);
    expect(body).toMatch(/flotilla_backend_up\{[^}]*backend="b3"[^}]*\} 1/);
    expect(body).toMatch(/flotilla_requests_total\{[^}]*pool="api"[^}]*\} [1-9]/);
    expect(body).toMatch(/flotilla_raft_has_leader 1/);
  }
});
