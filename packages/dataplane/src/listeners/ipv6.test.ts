/** IPv6 on both sides of real proxy threads: HTTP, raw streams and UDP, PROXY headers with addresses of that family. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { freePorts } from '@flotilla/shared/testing';
import { afterEach, describe, expect, test } from 'vitest';
import type { ListenerSpec, PoolSpec } from '@flotilla/shared';
import { startProxyThreads } from '../testing/proxy-threads.ts';
import { backendSpec, listenerSpec, poolSpec, routingSnapshot } from '../testing/snapshots.ts';

const hasIpv6 = Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === '::1'));
if (!hasIpv6) console.log('no IPv6 here: its tests are left out');

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function listening(server: Server): Promise<number> {
  server.listen(0, '::1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Says what it was sent, as far as the first read brings it. */
const mirror = (answer: (received: string) => string): Server =>
  createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (chunk: Buffer) => socket.end(answer(chunk.toString('latin1'))));
  });

async function proxy(
  backendPort: number,
  listener: Partial<ListenerSpec>,
  pool: Partial<PoolSpec> = {},
): Promise<number> {
  const threads = startProxyThreads({ bindAddress: '::1' });
  cleanups.push(() => threads.close());
  const [port = 0] = await freePorts(1);
  const backends = [backendSpec('b1', { host: '::1', port: backendPort })];
  await threads.follow(
    routingSnapshot({
      listeners: [listenerSpec('web', { port, ...listener })],
      pools: [poolSpec('app', { backends, ...pool })],
    }),
  );
  return port;
}

async function talk(port: number, text: string): Promise<string> {
  const socket = connect(port, '::1');
  cleanups.push(() => socket.destroy());
  socket.write(text);
  let received = '';
  socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
  await once(socket, 'end');
  return received;
}

describe.skipIf(!hasIpv6)('IPv6', () => {
  test('http: the client is known by its address, a missing Host is written in brackets', async () => {
    const answer = (received: string) =>
      `HTTP/1.1 200 OK\r\nContent-Length: ${received.length}\r\nConnection: close\r\n\r\n${received}`;
    const port = await proxy(await listening(mirror(answer)), {});
    const got = await talk(port, 'GET / HTTP/1.0\r\n\r\n');
    expect(got).toContain('X-Forwarded-For: ::1\r\n');
    expect(got).toMatch(/\r\nHost: \[::1\]:\d+\r\n/);
  });

  test.each([
    ['v1', /^PROXY TCP6 ::1 ::1 \d+ \d+\r\nhello$/],
    ['v2', /^\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24[^]{36}hello$/],
  ] as const)('tcp: a PROXY header of version %s', async (proxyProtocol, header) => {
    const pool = { upstream: { ...poolSpec('x').upstream, proxyProtocol } };
    const backend = createServer((socket) => {
      let received = '';
      socket.on('error', () => socket.destroy());
      socket.on('data', (chunk: Buffer) => {
        received += chunk.toString('latin1');
        if (received.endsWith('hello')) socket.end(received, 'latin1');
      });
    });
    const port = await proxy(await listening(backend), { protocol: 'tcp' }, pool);
    expect(await talk(port, 'hello')).toMatch(header);
  });

  test('udp', async () => {
    const backend = createSocket('udp6');
    backend.on('message', (message, from) => backend.send(`<${message.toString()}>`, from.port, from.address));
    backend.bind(0, '::1');
    await once(backend, 'listening');
    cleanups.push(() => backend.close());
    const port = await proxy(backend.address().port, { protocol: 'udp' });
    const client = createSocket('udp6');
    cleanups.push(() => client.close());
    client.send('ahoy', port, '::1');
    const [answer] = (await once(client, 'message')) as [Buffer];
    expect(answer.toString()).toBe('<ahoy>');
  });
});
