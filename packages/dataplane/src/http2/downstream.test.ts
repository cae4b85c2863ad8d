/** Clients of HTTP/2 before backends of HTTP/1.1: Node's own client judges what we speak. */
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import type { ClientHttp2Session } from 'node:http2';
import { bed, startProxy } from '../testing/http-bed.ts';
import type { HttpBedOptions } from '../testing/http-bed.ts';
import { answerOf, http2Client, http2Get } from '../testing/http2-peers.ts';
import { frame, getFields, headers, RawHttp2, word } from '../testing/raw-http2.ts';
import type { RawPeer } from '../testing/raw-tcp.ts';
import { OK_RESPONSE, rawRequest } from '../testing/raw-tcp.ts';
import { FLAG, FRAME, SETTING, STREAM_ID_MAX } from './protocol.ts';

const sessions: ClientHttp2Session[] = [];

afterEach(() => {
  for (const session of sessions.splice(0)) session.destroy();
});

async function h2Bed(
  answer: (request: number, peer: RawPeer) => string | null = () => OK_RESPONSE,
  options: HttpBedOptions = {},
) {
  const parts = await bed(answer, options);
  const session = await http2Client(parts.port);
  sessions.push(session);
  return { ...parts, session };
}

it('serves HTTP/2 by prior knowledge and HTTP/1.1 on one port', async () => {
  const { session, port, backend } = await h2Bed();
  const answer = await http2Get(session, { ':path': '/a?b=c', 'x-one': '1' });
  expect(answer.headers[':status']).toBe(200);
  expect(answer.body).toBe('ok');
  expect(await rawRequest(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).toContain('HTTP/1.1 200');
  expect(backend.received).toContain('GET /a?b=c HTTP/1.1\r\n');
  expect(backend.received).toContain('x-one: 1\r\n');
  expect(backend.received).toContain(`X-Forwarded-Host: localhost:${port}\r\n`);
  expect(backend.received).toContain('Via: 1.1 flotilla\r\n');
});

it('serves many streams of one connection at once', async () => {
  const { session } = await h2Bed((request) => `HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n${100 + (request % 900)}`);
  const answers = await Promise.all(Array.from({ length: 100 }, () => http2Get(session, { ':path': '/' })));
  expect(answers.every((answer) => answer.headers[':status'] === 200 && answer.body.length === 3)).toBe(true);
});

it('frames a body of unknown length as chunks, and one of known length by it', async () => {
  const { session, backend } = await h2Bed();
  await http2Get(session, { ':path': '/chunked', ':method': 'POST' }, 'hello');
  await http2Get(session, { ':path': '/length', ':method': 'POST', 'content-length': '5' }, 'hello');
  const [chunked, length] = backend.received.split('POST /length');
  expect(chunked).toContain('Transfer-Encoding: chunked\r\n');
  expect(chunked).toContain('\r\n5\r\nhello\r\n0\r\n\r\n');
  expect(length).toContain('content-length: 5\r\n');
  expect(length).not.toContain('chunked');
});

it('passes trailers on, both ways', async () => {
  const { session, backend } = await h2Bed(
    () => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-End: yes\r\n\r\n',
  );
  const stream = session.request({ ':path': '/', ':method': 'POST' }, {
    endStream: false,
    waitForTrailers: true,
  } as never);
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }));
  stream.end('body');
  const answer = await answerOf(stream);
  expect(answer.body).toBe('ok');
  expect(answer.trailers['x-end']).toBe('yes');
  expect(backend.received).toContain('0\r\nx-sum: 42\r\n\r\n');
});

it('passes interim responses on', async () => {
  const { session } = await h2Bed(() => `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK_RESPONSE}`);
  const answer = await http2Get(session, { ':path': '/' });
  expect(answer.interim).toEqual([103]);
  expect(answer.headers[':status']).toBe(200);
});

it('answers HEAD, 204 and 304 without a body', async () => {
  const heads = ['200 OK\r\nContent-Length: 7', '204 No Content', '304 Not Modified\r\nContent-Length: 9'];
  const { session } = await h2Bed((request) => `HTTP/1.1 ${heads[request]}\r\n\r\n`, {});
  const head = await http2Get(session, { ':path': '/', ':method': 'HEAD' });
  expect(head.headers['content-length']).toBe('7');
  expect((await http2Get(session, { ':path': '/' })).headers[':status']).toBe(204);
  expect((await http2Get(session, { ':path': '/' })).headers[':status']).toBe(304);
});

it('sends events as they come', async () => {
  const { session, backend } = await h2Bed(() => null);
  const stream = session.request({ ':path': '/events' });
  let body = '';
  stream.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')));
  const peer = await backend.peer();
  await peer.contains('\r\n\r\n');
  peer.send('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
  for (const event of ['data: 1', 'data: 2']) {
    peer.send(`7\r\n${event}\r\n`);
    await waitFor(event, () => body.endsWith(event));
  }
  stream.close();
});

it('carries large bodies both ways within its windows', async () => {
  const size = 3_000_000;
  const { session, backend } = await h2Bed(
    () => `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(size)}`,
  );
  const answer = await http2Get(session, { ':path': '/', ':method': 'POST', 'content-length': size }, 'y'.repeat(size));
  expect(answer.body.length).toBe(size);
  expect(backend.received.length).toBeGreaterThan(size);
});

it('stops reading a backend whose client does not read', async () => {
  const size = 16_000_000;
  const { session, backend } = await h2Bed(() => null);
  const stream = session.request({ ':path': '/' });
  stream.on('error', () => {});
  const peer = await backend.peer();
  await peer.contains('\r\n\r\n');
  peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
  peer.send('x'.repeat(size));
  await waitFor(
    'the backend to be held up',
    () => peer.socket.writableLength > 4_000_000 && peer.socket.writableNeedDrain,
  );
  const held = peer.socket.writableLength;
  // Another stream of the same connection is not held up.
  expect(
    (await http2Get(session, { ':path': '/no-such', ':method': 'OPTIONS', 'max-forwards': '0' })).headers[':status'],
  ).toBe(200);
  expect(peer.socket.writableLength).toBe(held);
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
  await waitFor('all of it', () => bytes === size);
});

it('tells the backend when a client takes its request back', async () => {
  const { session, backend, proxy } = await h2Bed(() => null);
  const stream = session.request({ ':path': '/' });
  stream.on('error', () => {});
  const peer = await backend.peer();
  await peer.contains('\r\n\r\n');
  stream.close(8);
  await waitFor('the backend to be told', () => peer.closed || peer.ended);
  await waitFor('nothing in flight', () => proxy.backend('app', 'b1').runtime.inFlight() === 0);
});

it('resets a stream whose backend breaks off in the body', async () => {
  const { session, backend } = await h2Bed(() => 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart');
  const stream = session.request({ ':path': '/' });
  const answer = answerOf(stream);
  await new Promise((resolve) => stream.once('data', resolve));
  (await backend.peer()).socket.resetAndDestroy();
  expect((await answer).code).toBe(2);
  expect(
    (await http2Get(session, { ':path': '/', ':method': 'OPTIONS', 'max-forwards': '0' })).headers[':status'],
  ).toBe(200);
});

it('answers with errors of its own and goes on', async () => {
  const proxy = await startProxy([1]);
  const session = await http2Client(proxy.port);
  sessions.push(session);
  for (let count = 0; count < 2; count++) {
    const answer = await http2Get(session, { ':path': '/' });
    expect(answer.headers[':status']).toBe(502);
    expect(answer.headers['x-flotilla-error']).toBe('upstream-connect-failure');
    expect(answer.body).toContain('upstream-connect-failure');
  }
});

it('says GOAWAY when it drains, finishes what is under way, and ends', async () => {
  const { session, backend, proxy } = await h2Bed(() => null);
  const answer = http2Get(session, { ':path': '/' });
  const peer = await backend.peer();
  await peer.contains('\r\n\r\n');
  const goaway = new Promise<number>((resolve) => session.once('goaway', (code) => resolve(code)));
  proxy.isDraining = true;
  expect(await goaway).toBe(0);
  peer.send(OK_RESPONSE);
  expect((await answer).headers[':status']).toBe(200);
  await waitFor('the end of the connection', () => session.destroyed);
});

describe('a request that was sent before the client knew of the drain is answered', () => {
  it.each([true, false])('client answers the PING: %s', async (answersPing) => {
    const { port, proxy, backend } = await bed(() => null);
    const client = await RawHttp2.connect(port);
    client.send(headers(1, getFields()));
    const peer = await backend.peer();
    await peer.contains('\r\n\r\n');
    proxy.isDraining = true;
    const lastIds = (): number[] => client.of(FRAME.goaway).map(({ payload }) => payload.readUInt32BE(0));
    await waitFor('the notice', () => lastIds().length > 0);
    client.send(headers(3, getFields()));
    if (answersPing) client.send(frame(FRAME.ping, FLAG.ack, 0, Buffer.alloc(8)));
    await waitFor('the last GOAWAY', () => lastIds().length > 1);
    expect(lastIds()).toEqual([STREAM_ID_MAX, 3]);
    // One that knew.
    client.send(headers(5, getFields()));
    await waitFor('both requests', () => backend.received.match(/GET/g)?.length === 2);
    for (const one of backend.peers) one.send(OK_RESPONSE);
    await client.peer.toEnd();
    const answered = client.of(FRAME.headers).map(({ streamId }) => streamId);
    expect(new Set(answered)).toEqual(new Set([1, 3]));
    client.close();
  });
});

it('a slow client gets the whole of the last answer before a drain', async () => {
  // As over HTTP/1.1: of some of them a part is with the proxy, and not with the kernel, when the stream is over.
  const lengths = Array.from({ length: 32 }, (_, at) => (at + 1) * 200_000);
  const { port, proxy, backend } = await bed((_request, peer) => {
    const length = Number(/.*GET \/(\d+)/s.exec(peer.received)?.[1]);
    return `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n${'b'.repeat(length)}`;
  });
  const wide = Buffer.from([0, SETTING.initialWindowSize, 0x7f, 0xff, 0xff, 0xff]);
  const greeting = Buffer.concat([
    frame(FRAME.settings, 0, 0, wide),
    frame(FRAME.windowUpdate, 0, 0, word(0x7fff0000)),
  ]);
  const clients = await Promise.all(lengths.map(() => RawHttp2.connect(port, greeting)));
  clients.forEach((client, at) => {
    client.peer.socket.pause();
    client.send(headers(1, [[':path', `/${lengths[at]}`], ...getFields().filter(([name]) => name !== ':path')]));
  });
  await waitFor('all requests', () => backend.received.match(/GET/g)?.length === lengths.length);
  proxy.isDraining = true;
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  const taken = clients.map(async (client) => {
    client.peer.socket.resume();
    await client.peer.toEnd();
    client.close();
    return client.of(FRAME.data).reduce((sum, { payload }) => sum + payload.length, 0);
  });
  expect(await Promise.all(taken)).toEqual(lengths);
}, 60_000);

it('ends idle connections', async () => {
  const timeouts = { headerMs: 100, idleMs: 100, requestMs: 1_000, tunnelMs: 1_000, udpIdleMs: 1_000 };
  const { session, port } = await h2Bed(() => OK_RESPONSE, { listener: { timeouts } });
  expect((await http2Get(session, { ':path': '/' })).headers[':status']).toBe(200);
  await waitFor('the end of the connection', () => session.destroyed);
  // And one that never says which protocol it speaks.
  const silent = connect(port, '127.0.0.1');
  silent.write('PRI * HT');
  let closed = false;
  silent.on('close', () => (closed = true));
  silent.resume();
  await waitFor('the end of the silent one', () => closed);
});
