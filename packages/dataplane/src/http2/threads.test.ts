/** HTTP/2 on real proxy threads and listeners: ALPN, changes under load, connection age, drain. */
import type { ClientHttp2Session } from 'node:http2';
import { freePorts, waitFor } from '@flotilla/shared/testing';
import { afterEach, expect, it } from 'vitest';
import { TestAuthority } from '../testing/certificates.ts';
import { http2Client, http2Get, Http2Backend } from '../testing/http2-peers.ts';
import { startProxyThreads } from '../testing/proxy-threads.ts';
import { backendSpec, listenerSpec, poolSpec, routingSnapshot } from '../testing/snapshots.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function start(maxConnectionAgeMs = 0) {
  const authority = await TestAuthority.create();
  const { certPem, keyPem } = await authority.issue('localhost');
  const backend = await Http2Backend.start((stream, headers) => {
    if (headers[':path'] === '/held') return;
    stream.respond({ ':status': 200 });
    stream.end(String(headers['x-forwarded-proto']));
  });
  cleanups.push(() => backend.close());
  const threads = startProxyThreads({});
  cleanups.push(() => threads.close());
  const [port = 0] = await freePorts(1);
  const plain = poolSpec('app', { backends: [backendSpec('b1', { port: backend.port })] });
  const tls = {
    certificates: ['site'],
    clientCa: null,
    clientAuth: 'require' as const,
    minVersion: '1.2' as const,
    alpn: ['h2', 'http/1.1'] as const,
  };
  const snapshot = routingSnapshot({
    certificates: [{ name: 'site', certPem, keyPem }],
    listeners: [listenerSpec('secure', { port, protocol: 'https', tls, maxConnectionAgeMs })],
    pools: [{ ...plain, upstream: { ...plain.upstream, protocol: 'h2c' } }],
  });
  await threads.follow(snapshot);
  const connect = async () => {
    const session = await http2Client(port, { ca: authority.certPem }, 'https');
    cleanups.push(() => session.destroy());
    return session;
  };
  return { threads, snapshot, backend, connect };
}

/** One request after another, on another connection once the last was told to go away; answers how many were served. */
async function serve(connect: () => Promise<ClientHttp2Session>, until: (served: number) => boolean): Promise<number> {
  let served = 0;
  let session = await connect();
  for (; !until(served); served++) {
    if (session.closed || session.destroyed) session = await connect();
    const answer = await http2Get(session, { ':path': '/' });
    // Unprocessed, as GOAWAY says, is no failure: the client sends it again.
    if (answer.headers[':status'] === undefined && session.closed) served--;
    else if (answer.body !== 'https') throw new Error(`${answer.headers[':status']}, ended with ${answer.code}`);
  }
  return served;
}

it('speaks h2 by ALPN, through a hundred changes of the configuration', async () => {
  const { threads, snapshot, connect, backend } = await start();
  const load = serve(connect, () => threads.threads[0]?.of('active').some((message) => message.index >= 100) ?? false);
  for (let index = 2; index <= 100; index++) await threads.follow({ ...snapshot, index, revision: index });
  expect(await load).toBeGreaterThan(0);
  expect(backend.sessions.length).toBe(1);
});

it('ends connections of age by GOAWAY, losing nothing', async () => {
  const { connect } = await start(150);
  let connections = 0;
  const counting = async () => {
    connections++;
    return connect();
  };
  await serve(counting, () => connections >= 4);
  expect(connections).toBe(4);
});

it('says GOAWAY on drain, waits for what is under way, and cuts it at the deadline', async () => {
  const { threads, connect, backend } = await start();
  const session = await connect();
  const held = http2Get(session, { ':path': '/held' });
  await waitFor('the request', () => backend.requests.length === 1);
  let goaway = false;
  session.once('goaway', () => (goaway = true));
  threads.threads[0]?.send({ type: 'drain', draining: true, deadlineMs: 2_500 });
  await waitFor('GOAWAY', () => goaway);
  expect(session.destroyed).toBe(false);
  await held;
  const drained = await waitFor('the end of the drain', () => threads.threads[0]?.of('drained')[0]);
  expect(drained.connections).toBe(1);
});
