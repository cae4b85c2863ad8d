/** What protocols rely on, of every kind of connection: plain and TLS, on its handle and as a socket of Node. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { waitFor } from '@flotilla/shared/testing';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { SocketWriter } from '../http1/socket-writer.ts';
import { TestAuthority } from '../testing/certificates.ts';
import { native } from './native.ts';
import { TcpWire } from './tcp-wire.ts';
import { TlsWire, wireOf } from './tls-wire.ts';
import { createWireServer } from './wire-server.ts';
import { receive } from './wire.ts';
import type { Wire } from './wire.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

let certificate: { certPem: string; keyPem: string };
beforeAll(async () => {
  certificate = await (await TestAuthority.create()).issue('wire.test');
});

interface Kind {
  readonly isTls: boolean;
  /** Of Node, although its handle may be known. */
  readonly isSocket: boolean;
}
const PLAIN: Kind = { isTls: false, isSocket: false };
const TLS: Kind = { isTls: true, isSocket: false };

/** Each is accepted by `next`, one after the other. */
async function listen({ isTls, isSocket }: Kind): Promise<{ server: Server; port: number; next: () => Promise<Wire> }> {
  const waiting: ((wire: Wire) => void)[] = [];
  const accepted = (wire: Wire): void => {
    wire.on('error', () => {});
    waiting.shift()?.(wire);
  };
  const server = isTls
    ? createTlsServer({ cert: certificate.certPem, key: certificate.keyPem, allowHalfOpen: true }, (socket) =>
        accepted(isSocket ? socket : wireOf(socket)),
      )
    : createWireServer({ needsSocket: () => isSocket, accepted });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const next = (): Promise<Wire> => new Promise((settle) => waiting.push(settle));
  return { server, port: (server.address() as AddressInfo).port, next };
}

/** Both ends of one connection; `hello` is said as early as can be. */
async function pair(kind: Kind, hello = ''): Promise<{ wire: Wire; client: Socket; port: number }> {
  const { port, next } = await listen(kind);
  const target = { port, host: '127.0.0.1', allowHalfOpen: true };
  const client = kind.isTls ? connectTls({ ...target, rejectUnauthorized: false }) : connect(target);
  client.on('error', () => {});
  if (hello !== '') client.write(hello);
  return { wire: await next(), client, port };
}

/** All that comes, as text. */
function collect(wire: Wire): { text: string } {
  const seen = { text: '' };
  receive(wire, { received: (buffer, length) => (seen.text += buffer.toString('latin1', 0, length)) });
  return seen;
}

async function readAll(client: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  client.on('data', (chunk: Buffer) => chunks.push(chunk));
  client.resume();
  await once(client, 'end');
  return Buffer.concat(chunks);
}

test('a Node that we know has all kinds', async () => {
  const [{ wire: plain }, { wire: tls }] = [await pair(PLAIN), await pair(TLS)];
  expect([plain instanceof TcpWire, tls instanceof TlsWire]).toEqual([native !== null, native !== null]);
  plain.destroy();
  tls.destroy();
});

describe.each([
  ['on its handle', PLAIN],
  ['a socket of Node', { ...PLAIN, isSocket: true }],
  ['TLS on its handle', TLS],
  ['a TLS socket of Node', { ...TLS, isSocket: true }],
])('%s', (_name, kind) => {
  test('knows both addresses', async () => {
    const { wire, client, port } = await pair(kind);
    expect([wire.remoteAddress, wire.remotePort]).toEqual(['127.0.0.1', client.localPort]);
    expect([wire.localAddress, wire.localPort]).toEqual(['127.0.0.1', port]);
    client.destroy();
  });

  test('the end of what the peer says is not the end of what it hears', async () => {
    const { wire, client } = await pair(kind);
    const seen = collect(wire);
    client.end('question');
    await once(wire as Socket, 'end');
    expect(seen.text).toBe('question');
    const closed = once(wire as Socket, 'close');
    wire.write('answer', 'latin1');
    wire.end();
    expect((await readAll(client)).toString()).toBe('answer');
    await closed;
  });

  test('what the kernel does not take at once arrives in order, and drain says when', async () => {
    const { wire, client } = await pair(kind);
    receive(wire, { received: () => {} });
    client.pause();
    const out = new SocketWriter(wire);
    const large = Buffer.alloc(8_000_000, 'x');
    out.text('head ');
    out.bytes(large, 0, large.length);
    out.text(' middle ');
    out.bytes(large, 0, 1_000_000);
    out.flush();
    expect(out.isCongested).toBe(true);
    out.text('tail');
    out.flush();
    const drained = once(wire as Socket, 'drain');
    const all = readAll(client);
    await drained;
    expect(out.isCongested).toBe(false);
    out.end();
    const text = (await all).toString('latin1');
    expect(text.length).toBe('head '.length + 8_000_000 + ' middle '.length + 1_000_000 + 'tail'.length);
    expect([text.slice(0, 6), text.slice(8_000_003, 8_000_015), text.slice(-5)]).toEqual([
      'head x',
      'xx middle xx',
      'xtail',
    ]);
    client.end();
  });

  test('reads nothing while it is paused', async () => {
    const { wire, client } = await pair(kind);
    const seen = collect(wire);
    client.write('one');
    await waitFor('the first bytes', () => seen.text === 'one');
    wire.pause();
    expect(wire.isPaused()).toBe(true);
    client.write('two');
    await new Promise((settle) => client.write('three', settle));
    await once(client.setTimeout(50), 'timeout');
    expect(seen.text).toBe('one');
    wire.resume();
    await waitFor('the rest', () => seen.text === 'onetwothree');
    client.destroy();
  });

  test('bytes that are put back come again, before those behind them', async () => {
    const { wire, client } = await pair(kind);
    const first: string[] = [];
    wire.on('data', (chunk) => first.push(chunk.toString('latin1')));
    client.write('header and body');
    await waitFor('the bytes', () => first.length > 0);
    wire.pause();
    wire.unshift(Buffer.from('body'));
    const seen = collect(wire);
    client.write(' and more');
    wire.resume();
    await waitFor('all of it', () => seen.text === 'body and more');
    client.destroy();
  });

  test('a peer that resets is a close with an error', async () => {
    const { wire, client } = await pair(kind);
    collect(wire);
    const closed = new Promise<boolean>((settle) => wire.on('close', settle));
    client.pause();
    wire.write(Buffer.alloc(4_000_000));
    client.destroy();
    expect(await closed).toBe(true);
  });

  test('what is said with the last bytes of a handshake is heard', async () => {
    const { wire, client } = await pair(kind, 'early');
    const seen = collect(wire);
    await waitFor('the bytes', () => seen.text === 'early');
    client.destroy();
  });

  test('is destroyed only after its last words', async () => {
    const { wire, client } = await pair(kind);
    const words = Buffer.alloc(4_000_000, 'w');
    wire.write(words);
    const closed = once(wire as Socket, 'close');
    wire.destroySoon();
    expect((await readAll(client)).length).toBe(words.length);
    await closed;
    expect(wire.destroyed).toBe(true);
    client.end();
  });

  test('writes after the end go nowhere and harm nobody', async () => {
    const { wire, client } = await pair(kind);
    const out = new SocketWriter(wire);
    out.text('said');
    out.end();
    out.text('unsaid');
    out.flush();
    out.handOver();
    expect((await readAll(client)).toString()).toBe('said');
    wire.destroy();
    out.text('unsaid');
    out.flush();
    out.handOver();
    client.end();
  });
});

test.each([
  ['on its handle', PLAIN],
  ['a socket of Node', { ...PLAIN, isSocket: true }],
])('a reset of ours reaches the peer of %s', async (_name, kind) => {
  const { wire, client } = await pair(kind);
  const failure = new Promise<NodeJS.ErrnoException>((settle) => client.once('error', settle));
  wire.resetAndDestroy();
  client.resume();
  expect(await failure).toMatchObject({ code: 'ECONNRESET' });
});

test('connections that read at once do not see the bytes of each other', async () => {
  const ends = await Promise.all(Array.from({ length: 16 }, async () => pair(PLAIN)));
  const seen = ends.map(({ wire }) => collect(wire));
  for (let turn = 0; turn < 50; turn++) for (const [at, { client }] of ends.entries()) client.write(`${at}.`);
  await waitFor('all bytes', () => seen.every(({ text }, at) => text.length === 50 * `${at}.`.length));
  for (const [at, { text }] of seen.entries()) expect(text).toBe(`${at}.`.repeat(50));
  for (const { client } of ends) client.destroy();
});

test('a TLS connection does not take the end of another one for its own', async () => {
  const { port, next } = await listen(TLS);
  const dial = (): Socket => connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  const first = dial();
  const ended = await next();
  collect(ended);
  first.end();
  await once(ended as Socket, 'end');
  const client = dial();
  const wire = await next();
  receive(wire, { received: (buffer, length) => wire.write(buffer.toString('latin1', 0, length), 'latin1') });
  client.write('still here');
  expect(String(await once(client, 'data'))).toBe('still here');
  client.destroy();
});

test('a TLS connection says its end behind its last bytes', async () => {
  const { wire, client } = await pair(TLS);
  const out = new SocketWriter(wire);
  const all = readAll(client);
  for (const part of ['one ', 'two ', 'three']) {
    out.text(part);
    out.flush();
    out.handOver();
  }
  out.end();
  expect((await all).toString()).toBe('one two three');
  client.end();
  await once(wire as Socket, 'close');
});
