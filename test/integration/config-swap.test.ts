/** Story: the whole configuration is replaced again and again, through every node, while traffic flows: nothing is lost. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { Cluster, targetsOf } from '../harness/cluster.ts';
import { isFree } from '../harness/ports.ts';
import { Traffic } from '../harness/traffic.ts';

const SWAPS = 24;
const ALGORITHMS = ['round-robin', 'least-connections', 'random', 'rendezvous', 'maglev'];

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ proxyThreads: 2 });
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

it('loses no request to a change of configuration', async () => {
  const traffic = new Traffic({ targets: targetsOf(cluster.nodes) }).start();
  await waitFor('traffic', () => traffic.okCount > 50);
  for (let swap = 0; swap < SWAPS; swap += 1) {
    const node = cluster.nodes[swap % cluster.nodes.length]!;
    const current = await node.call('GET', '/v1/config');
    const { body } = current;
    body.pools[0].algorithm = ALGORITHMS[swap % ALGORITHMS.length];
    for (const [index, backend] of body.pools[0].backends.entries()) backend.weight = 50 + ((swap + index) % 3) * 50;
    // Every other time the route goes over a second pool, which comes and goes.
    const second = { ...body.pools[0], name: 'second', algorithm: 'round-robin' };
    body.pools = swap % 2 === 0 ? [body.pools[0], second] : [body.pools[0]];
    body.listeners[0].routes = [{ match: {}, pool: swap % 2 === 0 ? 'second' : 'api' }];
    const headers = { 'if-match': current.headers.get('etag')! };
    const written = await node.call('PUT', '/v1/config?wait=all', { body, headers });
    expect(written.status, JSON.stringify(written.body)).toBe(200);
  }
  expect(await traffic.stop()).toMatchObject({ failed: 0, wrong: 0, faults: [] });
});

it('opens and closes a listener without touching the other one', async () => {
  const [node] = cluster.nodes;
  const traffic = new Traffic({ targets: targetsOf(cluster.nodes) }).start();
  const { body: web } = await node!.call('GET', '/v1/listeners/web');
  const { extraPort, port } = await sharedFreePort(web.port);
  const added = await node!.call('PUT', '/v1/listeners/extra?wait=all', {
    body: { ...web, name: 'extra', port: extraPort },
  });
  expect(added.status, JSON.stringify(added.body)).toBe(200);
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
  expect((await node!.call('DELETE', '/v1/listeners/extra?wait=all')).status).toBe(200);
  const closed = (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } }).then(
      () => false,
      () => true,
    );
  await waitFor('the listener to be closed', closed);
  expect(await traffic.stop()).toMatchObject({ failed: 0, wrong: 0, faults: [] });
});

it('refuses a faulty configuration with every fault and changes nothing', async () => {
  const [node] = cluster.nodes;
  const before = await node!.call('GET', '/v1/config');
  const body = structuredClone(before.body);
  body.listeners[0].routes = [{ match: {}, pool: 'nowhere' }];
  body.pools[0].backends[0].weight = -1;
  const refused = await node!.call('PUT', '/v1/config', { body, headers: { 'if-match': before.headers.get('etag')! } });
  expect(refused.status).toBe(422);
  expect(refused.body.error.code).toBe('INVALID_CONFIG');
  expect(JSON.stringify(refused.body.error.details)).toMatch(/weight/);
  expect((await node!.call('GET', '/v1/config')).headers.get('etag')).toBe(before.headers.get('etag'));
});

/** A configured port of which the place on each node, its offset added, is free. */
async function sharedFreePort(webPort: number): Promise<{ extraPort: number; port: number }> {
  for (let step = 1; ; step += 1) {
    const free = await Promise.all(cluster.nodes.map((node) => isFree(node.webPort + step)));
    if (free.every(Boolean)) return { extraPort: webPort + step, port: cluster.nodes[0]!.webPort + step };
  }
}
