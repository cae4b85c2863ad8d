/** Proxy threads as the node runs them: worker threads, message ports, real sockets. */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { once } from 'node:events';
import { freePorts, waitFor } from '@flotilla/shared/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { startProxyThreads } from '../testing/proxy-threads.ts';
import type { TestProxyThreads } from '../testing/proxy-threads.ts';
import { backendSpec, listenerSpec, poolSpec, routeTo, routingSnapshot } from '../testing/snapshots.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function proxy(count = 1): TestProxyThreads {
  const threads = startProxyThreads({ count });
  cleanups.push(() => threads.close());
  return threads;
}

/** Says its name, then echoes. */
async function backend(name: string): Promise<number> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.write(name);
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** First bytes of a new connection. */
async function greeting(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return chunk.toString();
}

function tcpSnapshot(port: number, backends: readonly number[]): ReturnType<typeof routingSnapshot> {
  return routingSnapshot({
    listeners: [listenerSpec('raw', { port, protocol: 'tcp', routes: [routeTo('app')] })],
    pools: [
      poolSpec('app', {
        backends: backends.map((backendPort, slot) => backendSpec(`b${slot + 1}`, { port: backendPort, slot })),
      }),
    ],
  });
}

describe('following', () => {
  test('says hello, binds, says active, and serves', async () => {
    const threads = proxy();
    const [port = 0] = await freePorts(1);
    await threads.follow(tcpSnapshot(port, [await backend('one')]));
    const [thread] = threads.threads;
    expect(thread?.received.map((message) => message.type)).toEqual(['hello', 'listener', 'active']);
    expect(await greeting(port)).toBe('one');
  });

  test('two threads share one port', async () => {
    const threads = proxy(2);
    const [port = 0] = await freePorts(1);
    await threads.follow(tcpSnapshot(port, [await backend('one')]));
    const open = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const socket = connect(port, '127.0.0.1');
        cleanups.push(() => socket.destroy());
        await once(socket, 'data');
      }),
    );
    const counts = new Int32Array(threads.memory.connections);
    expect(counts[0]! + counts[1]!).toBe(open.length);
    expect(Math.min(...counts)).toBeGreaterThan(0);
    expect(new Int32Array(threads.memory.inFlight)[0]).toBe(40);
  });

  test('a delta moves the work at once', async () => {
    const threads = proxy();
    const [port = 0] = await freePorts(1);
    const snapshot = tcpSnapshot(port, [await backend('one'), await backend('two')]);
    await threads.follow(snapshot);
    const delta = { pool: 'app', id: 'b1', weight: 100, state: 'draining', verdict: 'up', upSinceMs: 0 } as const;
    threads.threads[0]?.delta({ index: 2, revision: 1, logTimeMs: snapshot.logTimeMs, backends: [delta] });
    const seen = await Promise.all(Array.from({ length: 8 }, () => greeting(port)));
    expect(new Set(seen)).toEqual(new Set(['two']));
  });

  test('a port that is taken is reported, and bound once it is free', async () => {
    const threads = proxy();
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    await threads.follow(tcpSnapshot(port, [await backend('one')]));
    const [thread] = threads.threads;
    expect(thread?.of('listener')[0]).toMatchObject({ name: 'raw', port, bound: false });
    expect(thread?.of('listener')[0]?.error).toContain('EADDRINUSE');
    taken.close();
    await waitFor('the port to be bound', () => thread?.of('listener').some((state) => state.bound));
    expect(await greeting(port)).toBe('one');
  });

  test('serves on without a control thread, and tells a new one where it is', async () => {
    const threads = proxy();
    const [port = 0] = await freePorts(1);
    await threads.follow(tcpSnapshot(port, [await backend('one')]));
    const thread = threads.threads[0]!;
    thread.loseControl();
    expect(await greeting(port)).toBe('one');
    thread.received.length = 0;
    thread.connectControl();
    await waitFor('the new hello', () => thread.of('hello')[0]?.index === 1);
    await thread.active(1);
    expect(thread.of('listener')[0]).toMatchObject({ name: 'raw', bound: true });
  });

  test('what this node cannot reach is passed over until it can', async () => {
    const threads = proxy();
    const [port = 0] = await freePorts(1);
    await threads.follow(tcpSnapshot(port, [await backend('one'), await backend('two')]));
    const thread = threads.threads[0]!;
    const names = async () => new Set(await Promise.all(Array.from({ length: 8 }, () => greeting(port))));
    thread.send({ type: 'overlay', down: [{ pool: 'app', id: 'b1' }] });
    expect(await names()).toEqual(new Set(['two']));
    thread.send({ type: 'overlay', down: [] });
    await waitFor('both again', async () => (await names()).size === 2);
  });

  test('errors in a row are proposed as an outlier, once', async () => {
    const threads = proxy();
    const [port = 0, closed = 0] = await freePorts(2);
    const snapshot = tcpSnapshot(port, [closed]);
    const outlier = { consecutiveErrors: 3, baseEjectionMs: 30_000, maxEjectedRatio: 0.5 };
    await threads.follow({ ...snapshot, pools: snapshot.pools.map((pool) => ({ ...pool, outlier })) });
    const thread = threads.threads[0]!;
    for (let attempt = 0; attempt < 5; attempt++) {
      const socket = connect(port, '127.0.0.1').resume();
      await once(socket, 'close');
    }
    await waitFor('five failures', async () => (await thread.stats()).errors[0]?.[2] === 5);
    expect(thread.of('outlier')).toEqual([{ type: 'outlier', pool: 'app', backend: 'b1', consecutiveErrors: 3 }]);
  });

  test('a message that makes no sense changes nothing', async () => {
    const threads = proxy();
    const [port = 0] = await freePorts(1);
    await threads.follow(tcpSnapshot(port, [await backend('one')]));
    threads.threads[0]?.send({ type: 'snapshot', snapshot: null } as never);
    threads.threads[0]?.send(null as never);
    expect(await greeting(port)).toBe('one');
    const counted = await waitFor(
      'the stream to be counted',
      async () => (await threads.threads[0]!.stats()).requests[0],
    );
    expect(counted).toEqual(['raw', 'app', 'b1', 'none', 1]);
  });
});
