/** Story: a port that a new listener needs is taken on one node. Nothing is committed; where it is all the same, that node says so. */
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { Cluster, type ClusterNode } from '../harness/cluster.ts';

const OTHER_PORT = 8081;
const LISTENER = { port: OTHER_PORT, protocol: 'http', routes: [{ match: {}, pool: 'api' }] };

let cluster: Cluster;
let stranger: Server;
let odd: ClusterNode;
let first: ClusterNode;
beforeAll(async () => {
  cluster = await Cluster.start({ backends: 1 });
  [first, , odd] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode];
  // Somebody else's server, where n3 would have to listen.
  stranger = createServer((socket) => socket.end());
  await new Promise<void>((done) => stranger.listen({ host: '127.0.0.1', port: odd.webPort + 1 }, done));
});
afterAll(async () => {
  stranger?.close();
  await cluster?.[Symbol.asyncDispose]();
});

it('is refused before it is committed, with the node, the port and the path', async () => {
  const { revision } = await first.status();
  const refused = await first.call('PUT', '/v1/listeners/other', { body: LISTENER });
  expect([refused.status, refused.body.error.code], JSON.stringify(refused.body)).toEqual([409, 'CONFLICT']);
  const message = expect.stringMatching(new RegExp(`^n3 cannot listen on 127.0.0.1:${odd.webPort + 1}: .*EADDRINUSE`));
  expect(refused.body.error.details).toEqual([{ path: 'port', message }]);
  const document = (await first.call('GET', '/v1/config')).body as { listeners: object[] };
  const whole = { ...document, listeners: [...document.listeners, { name: 'other', ...LISTENER }] };
  const replaced = await first.call('PUT', '/v1/config', { body: whole });
  expect(replaced.body.error.details).toEqual([{ path: 'listeners[1].port', message }]);
  const dry = await first.call('PUT', '/v1/listeners/other?dryRun=true', { body: LISTENER });
  expect([dry.status, dry.body.warnings]).toEqual([200, [{ path: 'port', message }]]);
  expect((await first.status()).revision).toBe(revision);
  // Everything else goes on as before.
  expect((await first.call('PATCH', '/v1/pools/api/backends/b1?wait=all', { body: { weight: 40 } })).status).toBe(200);
});

it('insisted upon, is reported at once by the node that cannot follow, and heals without a hand', async () => {
  const forced = await first.call('PUT', '/v1/listeners/other?force=true&wait=all&timeoutMs=60000', { body: LISTENER });
  expect([forced.status, forced.body.error.code], JSON.stringify(forced.body)).toEqual([504, 'NOT_SERVED']);
  expect(forced.body.error.details).toEqual([{ path: 'n3', message: expect.stringContaining('EADDRINUSE') }]);
  expect(forced.body.error.hint).toContain('rollback');
  expect((await fetch(`http://127.0.0.1:${first.webPort + 1}/`)).status).toBe(200);
  const reasons = async (): Promise<string> => (await odd.call('GET', '/ready')).body.reasons.join();
  expect(await reasons()).toContain(`cannot bind port ${odd.webPort + 1}`);
  await waitFor('all nodes to know', async () => {
    const { items } = (await first.call('GET', '/v1/members')).body;
    return items.find(({ id }: { id: string }) => id === 'n3').ready === false;
  });
  // What has nothing to do with that listener is served and says so.
  expect((await first.call('PATCH', '/v1/pools/api/backends/b1?wait=all', { body: { weight: 30 } })).status).toBe(200);
  expect((await odd.call('PATCH', '/v1/pools/api/backends/b1?wait=all', { body: { weight: 31 } })).status).toBe(200);
  await new Promise((done) => stranger.close(done));
  await odd.waitReady();
  expect((await fetch(`http://127.0.0.1:${odd.webPort + 1}/`)).status).toBe(200);
});
