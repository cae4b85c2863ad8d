/** How messages move: keep-alive, pipelining, bodies of any framing and size, backpressure, half-close, early answers, tunnels. */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { bed, startProxy } from '../testing/http-bed.ts';
import { OK_RESPONSE, rawClient, rawRequest } from '../testing/raw-tcp.ts';
import type { RawPeer } from '../testing/raw-tcp.ts';

const H = 'Host: a\r\n';

/** Writes as fast as the socket takes it. */
async function pump(socket: Socket, totalBytes: number, progress: (bytes: number) => void): Promise<void> {
  const block = Buffer.alloc(1_000_000, 'x');
  for (let sent = block.length; sent <= totalBytes && !socket.destroyed; sent += block.length) {
    progress(sent);
    if (!socket.write(block)) await new Promise((resolve) => socket.once('drain', resolve));
  }
}

async function standstill(what: string, count: () => number): Promise<void> {
  let last = -1;
  const still = () => {
    const same = count() === last;
    last = count();
    return same && last > 0;
  };
  await waitFor(what, still, { everyMs: 200 });
}

describe('keep-alive and pipelining', () => {
  test('one client connection and one to the backend serve many requests', async () => {
    const { backend, port } = await bed();
    const client = await rawClient(port);
    for (let count = 1; count <= 5; count++) {
      client.send(`GET /${count} HTTP/1.1\r\n${H}\r\n`);
      await client.until(`${count} answers`, (received) => received.split('\r\n\r\nok').length === count + 1);
    }
    expect(backend.peers).toHaveLength(1);
  });

  test('pipelined requests are answered in order, bodies and all, also when split anywhere', async () => {
    const { backend, port } = await bed((request) => `HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${request}`);
    const client = await rawClient(port);
    const all = `GET /0 HTTP/1.1\r\n${H}\r\nPOST /1 HTTP/1.1\r\n${H}Content-Length: 3\r\n\r\nabcPOST /2 HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nGET /3 HTTP/1.1\r\n${H}Connection: close\r\n\r\n`;
    for (const byte of all) client.send(byte);
    const got = await client.toEnd();
    expect(got.match(/\r\n\r\n\d/g)).toEqual(['\r\n\r\n0', '\r\n\r\n1', '\r\n\r\n2', '\r\n\r\n3']);
    expect(backend.received.match(/(GET|POST) \/\d/g)).toEqual(['GET /0', 'POST /1', 'POST /2', 'GET /3']);
  });

  test('a thousand pipelined answers of our own do not overflow the stack', async () => {
    const { port } = await bed(() => OK_RESPONSE, { listener: { routes: [] } });
    const client = await rawClient(port);
    client.send(`GET / HTTP/1.1\r\n${H}\r\n`.repeat(1_000));
    const got = await client.until('1000 answers', (received) => received.split('HTTP/1.1 503').length > 1_000);
    expect(got.match(/no-route\r\n/g)).toHaveLength(1_000);
  });
});

describe('bodies', () => {
  const big = Buffer.alloc(3_000_000, 'abcdefghij').toString('latin1');

  test('megabytes with a length, both ways', async () => {
    const { backend, port } = await bed(() => `HTTP/1.1 200 OK\r\nContent-Length: ${big.length}\r\n\r\n${big}`);
    const got = await rawRequest(
      port,
      `POST / HTTP/1.1\r\n${H}Connection: close\r\nContent-Length: ${big.length}\r\n\r\n${big}`,
    );
    expect(got.endsWith(`\r\n\r\n${big}`)).toBe(true);
    expect(backend.received.endsWith(`\r\n\r\n${big}`)).toBe(true);
  });

  test('megabytes in chunks, both ways', async () => {
    const chunk = `10000\r\n${big.slice(0, 65_536)}\r\n`;
    const body = `${chunk.repeat(40)}0\r\n\r\n`;
    const { backend, port } = await bed(() => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body}`);
    const got = await rawRequest(
      port,
      `POST / HTTP/1.1\r\n${H}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n${body}`,
    );
    expect(got.endsWith(`\r\n\r\n${body}`)).toBe(true);
    expect(backend.received.endsWith(`\r\n\r\n${body}`)).toBe(true);
  });

  test('a body that ends with the connection becomes chunks, and for HTTP/1.0 stays as it is', async () => {
    const { port } = await bed((_, peer) => {
      peer.socket.end('HTTP/1.1 200 OK\r\n\r\nhello');
      return null;
    });
    const modern = await rawClient(port);
    modern.send(`GET / HTTP/1.1\r\n${H}\r\n`);
    expect(await modern.contains('0\r\n\r\n')).toMatch(/Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/);
    const old = await rawRequest(port, 'GET / HTTP/1.0\r\n\r\n');
    expect(old).toMatch(/Connection: close\r\n\r\nhello$/);
  });

  test('chunks are taken apart for HTTP/1.0', async () => {
    const { port } = await bed(
      () => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n',
    );
    const got = await rawRequest(port, 'GET / HTTP/1.0\r\n\r\n');
    expect(got).toMatch(/\r\n\r\nabcde$/);
    expect(got).not.toContain('Transfer-Encoding');
  });

  test('events go on as they come, not when the response ends', async () => {
    const { backend, port } = await bed(
      () => 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    const client = await rawClient(port);
    client.send(`GET / HTTP/1.1\r\n${H}\r\n`);
    const peer = await backend.peer();
    await client.contains('event-stream');
    peer.send('8\r\ndata: 1\n\r\n');
    await client.contains('data: 1');
    peer.send('8\r\ndata: 2\n\r\n');
    expect(await client.contains('data: 2')).not.toContain('0\r\n\r\n');
  });

  test('a client that does not read stops its backend, and gets everything once it reads', async () => {
    const total = 60_000_000;
    let written = 0;
    const { port } = await bed((_, peer) => {
      peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`);
      void pump(peer.socket, total, (count) => (written = count));
      return null;
    });
    const socket = connect(port, '127.0.0.1');
    socket.write(`GET / HTTP/1.1\r\n${H}Connection: close\r\n\r\n`);
    await new Promise((resolve) => socket.once('readable', resolve));
    await standstill('the backend to be stopped', () => written);
    expect(written).toBeLessThan(total);
    let received = 0;
    for await (const chunk of socket) received += (chunk as Buffer).length;
    expect(received).toBeGreaterThan(total);
  });

  test('a backend that does not read stops its client', async () => {
    const total = 60_000_000;
    const accepted: Socket[] = [];
    let received = 0;
    const server = createServer((socket) => {
      accepted.push(socket.pause());
      socket.on('error', () => {});
      socket.on('data', (chunk) => (received += chunk.length)).pause();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = await startProxy([(server.address() as AddressInfo).port]);
    const client = connect(port, '127.0.0.1');
    client.on('error', () => {});
    client.write(`POST / HTTP/1.1\r\n${H}Content-Length: ${total}\r\n\r\n`);
    let sent = 0;
    void pump(client, total, (count) => (sent = count));
    await standstill('the client to be stopped', () => sent);
    expect(sent).toBeLessThan(total);
    accepted[0]?.resume();
    await waitFor('the whole body', () => received > total, { everyMs: 20 });
    client.destroy();
    for (const socket of accepted) socket.destroy();
    server.close();
  });
});

describe('ends', () => {
  test('a client that says FIN after its request still gets the answer', async () => {
    const { backend, port } = await bed(() => null);
    const client = await rawClient(port);
    client.socket.end(`GET / HTTP/1.1\r\n${H}\r\n`);
    const peer = await backend.peer();
    await peer.contains('\r\n\r\n');
    peer.send(OK_RESPONSE);
    expect(await client.toEnd()).toMatch(/\r\n\r\nok$/);
  });

  test('pipelined requests before a FIN are all answered, those of ours at once and those of a backend', async () => {
    const { backend, port } = await bed();
    const client = await rawClient(port);
    const own = 'OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n';
    const asked = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
    client.socket.end(own + asked + own + asked + asked);
    expect((await client.toEnd()).match(/HTTP\/1\.1 200 OK/g)).toHaveLength(5);
    expect(backend.received.match(/GET/g)).toHaveLength(3);
    await waitFor('the end of the connection', () => client.closed);
  });

  test('half a request behind a whole one and a FIN is told so, after the answer', async () => {
    const { port } = await bed();
    const client = await rawClient(port);
    client.socket.end('GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTT');
    expect(await client.toEnd()).toMatch(/^HTTP\/1\.1 200 [^]*\r\n\r\nokHTTP\/1\.1 400 [^]*incomplete-message/);
  });

  test('a client that says FIN within its body is told, and the backend is dropped', async () => {
    const { backend, port } = await bed(() => null);
    const client = await rawClient(port);
    client.socket.end(`POST / HTTP/1.1\r\n${H}Content-Length: 10\r\n\r\nabc`);
    expect(await client.toEnd()).toMatch(/^HTTP\/1\.1 400 [^]*incomplete-message/);
    const peer = await backend.peer();
    await waitFor('the backend connection to be dropped', () => peer.ended || peer.closed);
  });

  test('a client that goes away takes its request from the backend', async () => {
    const { backend, port, proxy } = await bed(() => null);
    const client = await rawClient(port);
    client.send(`GET / HTTP/1.1\r\n${H}\r\n`);
    const peer = await backend.peer();
    await peer.contains('\r\n\r\n');
    client.socket.resetAndDestroy();
    await waitFor('the backend connection to be dropped', () => peer.closed || peer.ended);
    expect(proxy.backend('app', 'b1').runtime.inFlight()).toBe(0);
  });

  test('an answer that overtakes its request arrives whole, then the connection ends', async () => {
    const { backend, port } = await bed(() => null);
    const client = await rawClient(port);
    client.send(`POST / HTTP/1.1\r\n${H}Content-Length: 500000\r\n\r\n${'x'.repeat(1_000)}`);
    const peer = await backend.peer();
    await peer.contains('xxxx');
    peer.send('HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nfull');
    await client.contains('\r\n\r\nfull');
    client.send('x'.repeat(100_000));
    expect(await client.toEnd()).toContain('Connection: close\r\n');
    await waitFor('the backend connection to be dropped', () => peer.ended || peer.closed);
  });

  test('while we drain: answers say close, idle connections end', async () => {
    const { backend, port, proxy } = await bed(() => null);
    const idle = await rawClient(port);
    const busy = await rawClient(port);
    busy.send(`GET / HTTP/1.1\r\n${H}\r\n`);
    const peer = await backend.peer();
    await peer.contains('\r\n\r\n');
    await waitFor('both connections', () => proxy.connections.size === 2);
    proxy.isDraining = true;
    for (const connection of proxy.connections) connection.close();
    await idle.toEnd();
    peer.send(OK_RESPONSE);
    expect(await busy.toEnd()).toMatch(/Connection: close\r\n\r\nok$/);
  });
});

describe('tunnels', () => {
  const upgrade = `GET /ws HTTP/1.1\r\n${H}Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n`;
  const switching =
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n';

  async function tunnel(): Promise<{ client: RawPeer; peer: RawPeer; inFlight: () => number }> {
    const { backend, port, proxy } = await bed(() => `${switching}early`);
    const client = await rawClient(port);
    client.send(upgrade);
    const peer = await backend.peer();
    await client.contains('early');
    return { client, peer, inFlight: () => proxy.backend('app', 'b1').runtime.inFlight() };
  }

  test('bytes both ways, whatever they are', async () => {
    const { client, peer } = await tunnel();
    expect(peer.received).toContain('Connection: Upgrade\r\nUpgrade: websocket\r\n');
    expect(client.received).toMatch(
      /^HTTP\/1\.1 101 [^]*Sec-WebSocket-Accept: y\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly$/,
    );
    client.send('\x81\x85\0\xff\r\n\r\n');
    await peer.contains('\x81\x85\0\xff\r\n\r\n');
    peer.send('HTTP/1.1 400 no\r\n\r\n');
    await client.contains('HTTP/1.1 400 no\r\n\r\n');
  });

  test('each half ends by itself', async () => {
    const { client, peer, inFlight } = await tunnel();
    client.socket.end('bye');
    await peer.contains('bye');
    await waitFor('FIN at the backend', () => peer.ended);
    await waitFor('nothing in flight', () => inFlight() === 0);
  });

  test('a backend that ends lets its last bytes through', async () => {
    const { client, peer, inFlight } = await tunnel();
    peer.socket.end('the last words');
    expect(await client.toEnd()).toMatch(/the last words$/);
    client.socket.end();
    await waitFor('nothing in flight', () => inFlight() === 0);
  });
});

test('many large bodies at once, read slowly and fast, arrive as they were sent', async () => {
  const body = (request: number) => String.fromCharCode(97 + (request % 26)).repeat(700_000 + request);
  const { port } = await bed((_, peer) => {
    const request = Number(/GET \/(\d+)/.exec(peer.received.slice(peer.received.lastIndexOf('GET ')))?.[1]);
    const text = body(request);
    return `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
  });
  const clients = await Promise.all(Array.from({ length: 12 }, () => rawClient(port)));
  clients.forEach((client, request) => client.send(`GET /${request} HTTP/1.1\r\n${H}Connection: close\r\n\r\n`));
  for (const client of clients.slice(0, 6)) client.socket.pause();
  await Promise.all(clients.slice(6).map((client) => client.toEnd()));
  for (const client of clients) client.socket.resume();
  const answers = await Promise.all(clients.map((client) => client.toEnd()));
  answers.forEach((answer, request) => expect(answer.endsWith(`\r\n\r\n${body(request)}`)).toBe(true));
});
