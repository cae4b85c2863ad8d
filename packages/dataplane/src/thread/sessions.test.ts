/** Sessions on real proxy threads: the node's pin table, learned cookies, raw streams. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { encodeKey, newPinKey, PIN_NEEDED, PIN_PROPOSAL_WORDS, PinWriter } from '@flotilla/shared';
import type { AffinitySpec, ListenerSpec } from '@flotilla/shared';
import { freePorts, waitFor } from '@flotilla/shared/testing';
import { afterEach, expect, test } from 'vitest';
import { httpGet, startHttpBackend } from '../testing/http-backend.ts';
import { startProxyThreads } from '../testing/proxy-threads.ts';
import type { TestProxyThreads } from '../testing/proxy-threads.ts';
import { backendSpec, listenerSpec, poolSpec, routeTo, routingSnapshot } from '../testing/snapshots.ts';

const NAMES = ['one', 'two', 'three'];
const ASKED = 24;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Site {
  readonly port: number;
  readonly threads: TestProxyThreads;
  readonly logTimeMs: number;
}

async function site(ports: readonly number[], affinity: Partial<AffinitySpec>, listener: Partial<ListenerSpec> = {}) {
  const threads = startProxyThreads({ count: 2 });
  cleanups.push(() => threads.close());
  const [port = 0] = await freePorts(1);
  const backends = ports.map((each, slot) => backendSpec(`b${slot + 1}`, { port: each, slot }));
  const spec: AffinitySpec = { type: 'header', name: 'x-user', ttlMs: 3_600_000, strict: false, ...affinity };
  const snapshot = routingSnapshot({
    listeners: [listenerSpec('web', { port, routes: [routeTo('app')], ...listener })],
    pools: [poolSpec('app', { backends, affinity: spec })],
  });
  await threads.follow(snapshot);
  return { port, threads, logTimeMs: snapshot.logTimeMs } satisfies Site;
}

async function named(): Promise<number[]> {
  const backends = await Promise.all(NAMES.map((name) => startHttpBackend(name)));
  for (const each of backends) cleanups.push(() => each.close());
  return backends.map(({ port }) => port);
}

/** Slots that any thread proposed, with their marks. */
function proposed({ threads }: Site): number[] {
  const words = threads.threads
    .flatMap((thread) => thread.of('pin-proposals'))
    .flatMap((message) => [...message.words]);
  return words.filter((_, at) => at % PIN_PROPOSAL_WORDS === PIN_PROPOSAL_WORDS - 1);
}

/** What the control thread would have committed. */
function commit(of: Site, session: string, slot: number): void {
  const writer = new PinWriter(100);
  const key = newPinKey();
  encodeKey('app', session, key);
  writer.set(key, { backend: slot, expiresS: Math.floor(of.logTimeMs / 1_000) + 3_600, revision: 1 });
  for (const thread of of.threads.threads) thread.send({ type: 'pins', memory: writer.memory });
}

test('follow the pin table on every thread, also without a control thread; unknown ones are proposed alike', async () => {
  const web = await site(await named(), {});
  const bodies = async (): Promise<string[]> => {
    const answers = Array.from({ length: ASKED }, () => httpGet(web.port, { headers: { 'x-user': 'ada' } }));
    return [...new Set((await Promise.all(answers)).map(({ body }) => body))];
  };
  const first = await bodies();
  expect(first).toHaveLength(1);
  await waitFor('a proposal', () => proposed(web).length > 0);
  const [slot = 0] = proposed(web);
  expect([NAMES[slot]]).toEqual(first);
  const other = (slot + 1) % NAMES.length;
  commit(web, 'ada', other);
  await waitFor('the pin to be followed', async () => (await bodies()).join() === NAMES[other]);
  for (const thread of web.threads.threads) thread.loseControl();
  expect(await bodies()).toEqual([NAMES[other]]);
});

test('are learned from the cookie that an application sets, with the backend that set it', async () => {
  const login = await Promise.all(
    NAMES.map((name) =>
      startHttpBackend(name, (_request, response) => {
        response.setHeader('set-cookie', [`theme=dark`, `SID=of-${name}; Path=/; HttpOnly`]);
        response.end(name);
      }),
    ),
  );
  for (const each of login) cleanups.push(() => each.close());
  const web = await site(
    login.map(({ port }) => port),
    { type: 'cookie-learn', name: 'SID' },
  );
  const { body } = await httpGet(web.port);
  await waitFor('a proposal', () => proposed(web).length > 0);
  expect(proposed(web)).toEqual([NAMES.indexOf(body) | PIN_NEEDED]);
  commit(web, `of-${body}`, NAMES.indexOf(body));
  await waitFor('the session to be known everywhere', async () => {
    const answers = Array.from({ length: ASKED }, () => httpGet(web.port, { headers: { cookie: `SID=of-${body}` } }));
    return (await Promise.all(answers)).every((answer) => answer.body === body);
  });
});

test('of a strict pool are refused where their backend cannot be reached', async () => {
  const ports = await named();
  const [closed = 0] = await freePorts(1);
  const web = await site([closed, ...ports.slice(1)], { strict: true });
  commit(web, 'ada', 0);
  await waitFor('the pin to be followed', async () => {
    const answers = Array.from({ length: ASKED }, () => httpGet(web.port, { headers: { 'x-user': 'ada' } }));
    return (await Promise.all(answers)).every(({ status }) => status >= 502);
  });
  expect((await httpGet(web.port)).status).toBe(200);
});

test('of raw streams go by the address of the client', async () => {
  const ports = await Promise.all(
    NAMES.map(async (name) => {
      const server = createServer((socket) => socket.on('error', () => socket.destroy()).end(name));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      cleanups.push(() => server.close());
      return (server.address() as AddressInfo).port;
    }),
  );
  const raw = await site(ports, { type: 'source-ip', name: '' }, { protocol: 'tcp' });
  const greetings = async (): Promise<string[]> => {
    const all = Array.from({ length: ASKED }, async () => {
      const socket = connect(raw.port, '127.0.0.1');
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      socket.destroy();
      return chunk.toString();
    });
    return [...new Set(await Promise.all(all))];
  };
  const first = await greetings();
  expect(first).toHaveLength(1);
  const other = (NAMES.indexOf(first[0] ?? '') + 1) % NAMES.length;
  commit(raw, '127.0.0.1', other);
  await waitFor('the pin to be followed', async () => (await greetings()).join() === NAMES[other]);
});

test('of UDP go by the address of the client, whatever its port', async () => {
  const ports = await Promise.all(
    NAMES.map(async (name) => {
      const socket = createSocket('udp4');
      socket.on('message', (_datagram, from) => socket.send(name, from.port, from.address));
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
      cleanups.push(() => socket.close());
      return socket.address().port;
    }),
  );
  const dns = await site(ports, { type: 'source-ip', name: '' }, { protocol: 'udp' });
  const answers = async (): Promise<string[]> => {
    const all = Array.from({ length: ASKED }, async () => {
      const client = createSocket('udp4');
      client.send('who?', dns.port, '127.0.0.1');
      const [answer] = (await once(client, 'message')) as [Buffer];
      client.close();
      return answer.toString();
    });
    return [...new Set(await Promise.all(all))];
  };
  const first = await answers();
  expect(first).toHaveLength(1);
  await waitFor('a proposal', () => proposed(dns).length > 0);
  const other = (NAMES.indexOf(first[0] ?? '') + 1) % NAMES.length;
  commit(dns, '127.0.0.1', other);
  await waitFor('the pin to be followed', async () => (await answers()).join() === NAMES[other]);
});
