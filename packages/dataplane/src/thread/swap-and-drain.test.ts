/** Nothing is lost to a change: swaps, deltas, removed listeners, drains and stops under load, on real proxy threads. */
import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { freePorts, waitFor } from '@flotilla/shared/testing';
import { afterEach, describe, expect, test } from 'vitest';
import type { RoutingSnapshot } from '@flotilla/shared';
import { httpGet, startHttpBackend } from '../testing/http-backend.ts';
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

async function backend(name: string, ...rest: [] | [Parameters<typeof startHttpBackend>[1]]): Promise<number> {
  const started = await startHttpBackend(name, rest[0]);
  cleanups.push(() => started.close());
  return started.port;
}

function webSnapshot(index: number, port: number, backends: readonly number[]): RoutingSnapshot {
  const specs = backends.map((backendPort, slot) => backendSpec(`b${slot + 1}`, { port: backendPort, slot }));
  return routingSnapshot({
    index,
    revision: index,
    listeners: [listenerSpec('web', { port, routes: [routeTo(`app${index % 2}`)] })],
    pools: [poolSpec('app0', { backends: specs }), poolSpec('app1', { backends: specs })],
  });
}

/** Requests on `clients` kept-alive connections until told to stop; answers what went wrong. */
function load(
  port: number,
  clients: number,
): { stop(): Promise<{ served: number; wrong: string[] }>; served(): number } {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  cleanups.push(() => agent.destroy());
  const wrong: string[] = [];
  let served = 0;
  let running = true;
  const loops = Array.from({ length: clients }, async () => {
    while (running) {
      try {
        const { status } = await httpGet(port, { agent });
        if (status === 200) served++;
        else wrong.push(`status ${status}`);
      } catch (error) {
        wrong.push(String(error));
      }
    }
  });
  return {
    served: () => served,
    async stop() {
      running = false;
      await Promise.all(loops);
      return { served, wrong };
    },
  };
}

describe('changes under load', () => {
  test('a hundred swaps and a hundred deltas on two threads fail no request', async () => {
    const threads = proxy(2);
    const [port = 0] = await freePorts(1);
    const backends = [await backend('one'), await backend('two')];
    await threads.follow(webSnapshot(1, port, backends));
    const traffic = load(port, 8);
    for (let index = 2; index <= 200; index += 2) {
      const snapshot = webSnapshot(index, port, backends);
      for (const thread of threads.threads) {
        thread.send({ type: 'snapshot', snapshot });
        const { logTimeMs } = snapshot;
        const numbers = { weight: (index % 100) + 1, state: 'enabled', verdict: 'up', upSinceMs: 0 } as const;
        const change = [{ pool: 'app0', id: 'b1', ...numbers }];
        thread.delta({ index: index + 1, revision: index, logTimeMs, backends: change });
      }
      const before = traffic.served();
      await waitFor('requests under this table', () => traffic.served() > before);
    }
    await Promise.all(threads.threads.map((thread) => thread.active(200)));
    const { served, wrong } = await traffic.stop();
    expect(wrong).toEqual([]);
    expect(served).toBeGreaterThan(100);
  });

  test('a listener that stays is never bound anew; another port is', async () => {
    const threads = proxy();
    const [first = 0, second = 0] = await freePorts(2);
    const backends = [await backend('one')];
    await threads.follow(webSnapshot(1, first, backends));
    await threads.follow(webSnapshot(2, first, backends));
    const [thread] = threads.threads;
    expect(thread?.of('listener')).toHaveLength(1);
    await threads.follow(webSnapshot(3, second, backends));
    expect(thread?.of('listener').map(({ port, bound }) => [port, bound])).toEqual([
      [first, true],
      [second, true],
    ]);
    await expect(httpGet(first)).rejects.toThrow('ECONNREFUSED');
    expect((await httpGet(second)).body).toBe('one');
  });

  test('a removed listener finishes the request it has', async () => {
    const threads = proxy();
    const [port = 0] = await freePorts(1);
    let answer: (() => void) | null = null;
    const slow = await backend('slow', (_request, response) => {
      answer = () => response.end('late');
    });
    await threads.follow(webSnapshot(1, port, [slow]));
    const pending = httpGet(port);
    const late = await waitFor('the request to arrive', () => answer);
    expect(new Int32Array(threads.memory.inFlight)[0]).toBe(1);
    await threads.follow({ ...webSnapshot(2, port, [slow]), listeners: [] });
    await expect(httpGet(port)).rejects.toThrow('ECONNREFUSED');
    late();
    expect(await pending).toMatchObject({ status: 200, body: 'late', headers: { connection: 'close' } });
    await waitFor('nothing in flight', () => new Int32Array(threads.memory.inFlight)[0] === 0);
  });
});

describe('drain', () => {
  test('says that each answer is the last, loses none, reports, and can be undone', async () => {
    const threads = proxy();
    const [port = 0] = await freePorts(1);
    await threads.follow(webSnapshot(1, port, [await backend('one')]));
    const thread = threads.threads[0]!;
    const traffic = load(port, 4);
    await waitFor('some requests', () => traffic.served() > 20);
    thread.send({ type: 'drain', draining: true, deadlineMs: 60_000 });
    const closes = async () => (await httpGet(port)).headers.connection === 'close';
    await waitFor('the last answers', closes);
    expect(await traffic.stop()).toMatchObject({ wrong: [] });
    await waitFor('drained', () => thread.of('drained')[0]?.connections === 0);
    thread.send({ type: 'drain', draining: false, deadlineMs: 0 });
    await waitFor('keep-alive again', async () => !(await closes()));
  });

  test('at the deadline what is left is cut and counted', async () => {
    const threads = proxy();
    const [port = 0] = await freePorts(1);
    await threads.follow(webSnapshot(1, port, [await backend('silent', () => {})]));
    const thread = threads.threads[0]!;
    const pending = httpGet(port).catch((error: unknown) => String(error));
    await waitFor('the request to arrive', () => new Int32Array(threads.memory.inFlight)[0] === 1);
    thread.send({ type: 'drain', draining: true, deadlineMs: 200 });
    expect(await pending).toMatch(/ECONNRESET|socket hang up/);
    await waitFor('drained', () => thread.of('drained')[0]?.connections === 1);
    expect((await thread.stats()).errors).toContainEqual(['web', 'drain-deadline', 1]);
  });

  test('streams and tunnels that are left at the deadline end in order on both sides, and are counted', async () => {
    const threads = proxy();
    const [web = 0, raw = 0] = await freePorts(2);
    const ends: Promise<unknown>[] = [];
    const server = createServer((socket) => {
      ends.push(once(socket, 'close'));
      socket.once('data', (chunk: Buffer) => {
        const isUpgrade = chunk.includes('Upgrade');
        socket.write(
          isUpgrade ? 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n' : 'hello',
        );
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => server.close());
    const snapshot = webSnapshot(1, web, [(server.address() as AddressInfo).port]);
    const stream = listenerSpec('raw', { port: raw, protocol: 'tcp', routes: [routeTo('app0')] });
    await threads.follow({ ...snapshot, listeners: [...snapshot.listeners, stream] });
    const open = async (port: number, text: string): Promise<Socket> => {
      const socket = connect(port, '127.0.0.1');
      socket.write(text);
      await once(socket, 'data');
      return socket;
    };
    const tunnel = await open(web, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
    const clients = [tunnel, await open(raw, 'hello')];
    const thread = threads.threads[0]!;
    const ended = clients.map((client) => once(client, 'close'));
    thread.send({ type: 'drain', draining: true, deadlineMs: 200 });
    // A reset would be an error before the close, on either side.
    expect(await Promise.all([...ended, ...ends])).toEqual([[false], [false], [false], [false]]);
    await waitFor('drained', () => thread.of('drained')[0]?.connections === 2);
    const { errors } = await thread.stats();
    expect(errors).toContainEqual(['web', 'drain-deadline', 1]);
    expect(errors).toContainEqual(['raw', 'drain-deadline', 1]);
  });

  test('stop ends the thread when the last connection is gone', async () => {
    const threads = proxy();
    const [port = 0] = await freePorts(1);
    await threads.follow(webSnapshot(1, port, [await backend('one')]));
    // Leaves a pooled connection to the backend behind, which must not keep the thread.
    expect((await httpGet(port)).body).toBe('one');
    const idle = connect(port, '127.0.0.1');
    await once(idle, 'connect');
    idle.resume();
    const { worker } = threads.threads[0]!;
    worker.postMessage({ type: 'stop', deadlineMs: 400 });
    expect(await once(worker, 'exit')).toEqual([0]);
    await expect(httpGet(port)).rejects.toThrow('ECONNREFUSED');
  });
});

test('a session cookie set by one thread is honoured by every other', async () => {
  const threads = proxy(2);
  const [port = 0] = await freePorts(1);
  const snapshot = webSnapshot(1, port, [await backend('one'), await backend('two'), await backend('three')]);
  const affinity = { type: 'cookie', name: 'LB', ttlMs: 3_600_000, strict: false } as const;
  await threads.follow({ ...snapshot, pools: snapshot.pools.map((pool) => ({ ...pool, affinity })) });
  const first = await httpGet(port);
  const [cookie = ''] = (first.headers['set-cookie']?.[0] ?? '').split(';');
  expect(cookie).toMatch(/^LB=b[123]\./);
  const answers = await Promise.all(Array.from({ length: 24 }, () => httpGet(port, { headers: { cookie } })));
  expect(new Set(answers.map(({ body }) => body))).toEqual(new Set([first.body]));
  expect(answers.every(({ headers }) => headers['set-cookie'] === undefined)).toBe(true);
});

test('age ends a connection with an answer, not with a reset', async () => {
  const threads = proxy();
  const [port = 0] = await freePorts(1);
  const snapshot = webSnapshot(1, port, [await backend('one')]);
  const listeners = snapshot.listeners.map((listener) => ({ ...listener, maxConnectionAgeMs: 100 }));
  await threads.follow({ ...snapshot, listeners });
  const traffic = load(port, 2);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  cleanups.push(() => agent.destroy());
  await waitFor('a last answer', async () => (await httpGet(port, { agent })).headers.connection === 'close');
  expect(await traffic.stop()).toMatchObject({ wrong: [] });
});
