/** The `ws` library on both sides of a real node: messages of all sizes, fragments, compression, pings, codes of the end. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { TestAuthority } from '@flotilla/dataplane/testing';
import { Edge } from './edge.ts';

const BIG_BYTES = 2_000_000;

let edge: Edge;
let server: WebSocketServer;
let ca = '';

beforeAll(async () => {
  server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: true });
  server.on('connection', (socket, request) => {
    socket.on('error', () => undefined);
    socket.on('message', (data, isBinary) => {
      if (isBinary) socket.send(data, { binary: true });
      else if (String(data) === 'who') socket.send(String(request.headers['x-forwarded-for']));
      else if (String(data) === 'end') socket.close(4_321, 'as asked');
      else socket.send(String(data));
    });
  });
  await once(server, 'listening');
  const authority = await TestAuthority.create();
  const site = await authority.issue('localhost');
  ca = authority.certPem;
  edge = await Edge.start({
    listeners: { plain: { protocol: 'http' }, secure: { protocol: 'https', tls: { certificates: ['site'] } } },
    pools: { app: { ports: [(server.address() as AddressInfo).port] } },
    certificates: [{ name: 'site', ...site }],
  });
});
afterAll(async () => {
  server?.close();
  for (const socket of server?.clients ?? []) socket.terminate();
  await edge?.[Symbol.asyncDispose]();
});

async function open(scheme: 'ws' | 'wss'): Promise<WebSocket> {
  const host = scheme === 'ws' ? `127.0.0.1:${edge.port('plain')}` : `localhost:${edge.port('secure')}`;
  const socket = new WebSocket(`${scheme}://${host}/chat`, ['v2', 'v1'], { ca, perMessageDeflate: true });
  await once(socket, 'open');
  return socket;
}

async function ask(socket: WebSocket, message: string | Buffer): Promise<Buffer> {
  const answer = once(socket, 'message');
  socket.send(message);
  return (await answer)[0] as Buffer;
}

describe.each(['ws', 'wss'] as const)('%s', (scheme) => {
  it('agrees on protocol and compression, and knows who asks', async () => {
    const socket = await open(scheme);
    expect(socket.protocol).toBe('v2');
    expect(socket.extensions).toContain('permessage-deflate');
    expect(String(await ask(socket, 'who'))).toBe('127.0.0.1');
    socket.close();
  });

  it('carries messages of every size, and fragments', async () => {
    const socket = await open(scheme);
    for (const bytes of [0, 1, 125, 126, 65_535, 65_536, BIG_BYTES]) {
      const message = Buffer.alloc(bytes, 'ahoy, fleet ');
      expect((await ask(socket, message)).equals(message), `${bytes} bytes`).toBe(true);
    }
    const answer = once(socket, 'message');
    for (const part of ['in', ' three', ' parts']) socket.send(part, { fin: part === ' parts' });
    expect(String((await answer)[0])).toBe('in three parts');
    socket.close();
  });

  it('passes pings, and the code and words of the end, both ways', async () => {
    const socket = await open(scheme);
    const pong = once(socket, 'pong');
    socket.ping('are you there');
    expect(String((await pong)[0])).toBe('are you there');
    const closed = once(socket, 'close');
    socket.send('end');
    const [code, reason] = (await closed) as [number, Buffer];
    expect([code, String(reason)]).toEqual([4_321, 'as asked']);
    const other = await open(scheme);
    const [peer] = [...server.clients].slice(-1);
    const left = once(peer as WebSocket, 'close');
    other.close(4_000, 'mine');
    const [leftCode, words] = (await left) as [number, Buffer];
    expect([leftCode, String(words)]).toEqual([4_000, 'mine']);
  });

  it('a client that is gone takes its connection to the backend along', async () => {
    const socket = await open(scheme);
    await ask(socket, 'hello');
    const [peer] = [...server.clients].slice(-1);
    const left = once(peer as WebSocket, 'close');
    socket.terminate();
    await left;
  });
});
