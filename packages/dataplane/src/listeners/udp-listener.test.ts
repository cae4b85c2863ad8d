/** UDP sessions on a real proxy thread: who a client is on a dual-stack socket, and backends that cannot be had. */
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { freePorts, waitFor } from '@flotilla/shared/testing';
import { afterEach, expect, test } from 'vitest';
import type { BackendSpec } from '@flotilla/shared';
import { startProxyThreads } from '../testing/proxy-threads.ts';
import { backendSpec, listenerSpec, poolSpec, routeTo, routingSnapshot } from '../testing/snapshots.ts';

const hasIpv6 = Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === '::1'));

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function echo(): Promise<number> {
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => socket.send(message, from.port, from.address));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  cleanups.push(() => socket.close());
  return socket.address().port;
}

async function start(backends: readonly BackendSpec[], bindAddress: string) {
  const threads = startProxyThreads({ bindAddress });
  cleanups.push(() => threads.close());
  const [thread] = threads.threads;
  if (thread === undefined) throw new Error('no thread');
  const clients: string[] = [];
  thread.worker.on('message', ({ type, text }: { type: string; text: string }) => {
    if (type !== 'access-log') return;
    for (const line of text.trimEnd().split('\n'))
      clients.push((JSON.parse(line) as { access: { client: string } }).access.client);
  });
  const [port = 0] = await freePorts(1);
  const timeouts = { headerMs: 100, idleMs: 100, requestMs: 100, tunnelMs: 100, udpIdleMs: 1_000 };
  await threads.follow(
    routingSnapshot({
      listeners: [
        listenerSpec('udp', {
          port,
          protocol: 'udp',
          timeouts,
          accessLog: { sampleRatio: 1 },
          routes: [routeTo('app')],
        }),
      ],
      pools: [poolSpec('app', { backends })],
    }),
  );
  return { port, clients, thread };
}

function client(): Socket {
  const socket = createSocket('udp4');
  cleanups.push(() => socket.close());
  return socket;
}

test.skipIf(!hasIpv6)('an IPv4 client of a dual-stack socket is that IPv4 client', async () => {
  const { port, clients } = await start([backendSpec('b1', { port: await echo() })], '::');
  const socket = client();
  socket.send('ahoy', port, '127.0.0.1');
  await once(socket, 'message');
  await waitFor('the line of the session', () => clients.length > 0);
  expect(clients).toEqual(['127.0.0.1']);
});

test('a backend whose name nobody knows is passed over by the next datagram', async () => {
  const nobody = backendSpec('b1', { host: 'no-such-host.invalid', slot: 0 });
  const backends = [nobody, backendSpec('b2', { port: await echo(), slot: 1 })];
  const { port, thread } = await start(backends, '127.0.0.1');
  const sockets = [client(), client(), client(), client()];
  const answered = new Set<Socket>();
  for (const socket of sockets) socket.on('message', () => answered.add(socket));
  await waitFor('an answer to every client', () => {
    for (const socket of sockets) if (!answered.has(socket)) socket.send('ahoy', port, '127.0.0.1');
    return answered.size === sockets.length;
  });
  await waitFor('the sessions to end', async () => (await thread.stats()).connections[0]?.[1] === 0);
});
