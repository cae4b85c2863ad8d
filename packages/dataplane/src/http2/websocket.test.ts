/** WebSockets over HTTP/2 (RFC 8441), to and from upgrades of HTTP/1.1. */
import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { bed, startProxy } from '../testing/http-bed.ts';
import { answerOf, Http2Backend, http2Client } from '../testing/http2-peers.ts';
import { rawClient } from '../testing/raw-tcp.ts';

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

describe('WebSocket over HTTP/2 (RFC 8441)', () => {
  const connect = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat', ':scheme': 'http' };

  it('becomes an upgrade of HTTP/1.1, and carries bytes both ways', async () => {
    const { port, backend } = await bed((_request, peer) => {
      const key = /sec-websocket-key: (.*)\r\n/i.exec(peer.received)?.[1] ?? '';
      const proof = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
      return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${proof}\r\nSec-WebSocket-Protocol: p\r\n\r\nhello`;
    });
    const session = await http2Client(port);
    closers.push(() => session.destroy());
    expect(session.remoteSettings.enableConnectProtocol).toBe(true);
    const stream = session.request({ ...connect, 'sec-websocket-version': '13' }, { endStream: false });
    let received = '';
    let fields: Record<string, unknown> = {};
    stream.on('response', (response) => (fields = response));
    stream.on('data', (chunk: Buffer) => (received += chunk.toString()));
    await waitFor('the first words', () => received === 'hello');
    expect(fields[':status']).toBe(200);
    expect(fields['sec-websocket-protocol']).toBe('p');
    expect(fields['sec-websocket-accept']).toBeUndefined();
    expect(backend.received).toMatch(/^GET \/chat HTTP\/1\.1\r\n[^]*Upgrade: websocket\r\n/);
    stream.write('from the client');
    await (await backend.peer()).contains('from the client');
    stream.end();
    const peer = await backend.peer();
    await waitFor('FIN at the backend', () => peer.ended);
  });

  it('a proof that proves nothing is refused', async () => {
    const { port } = await bed(
      () =>
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n',
    );
    const session = await http2Client(port);
    closers.push(() => session.destroy());
    const stream = session.request(connect, { endStream: false });
    expect((await answerOf(stream)).headers[':status']).toBe(502);
  });

  it.each(['200 OK', '201 Created', '204 No Content'])('a backend that answers %s opens no tunnel', async (status) => {
    const body = status.startsWith('204') ? '' : 'Content-Length: 4\r\n\r\npage';
    const { port } = await bed(() => `HTTP/1.1 ${status}\r\n${body === '' ? '\r\n' : body}`);
    const session = await http2Client(port);
    closers.push(() => session.destroy());
    const answer = await answerOf(session.request(connect, { endStream: false }));
    expect(answer.headers[':status']).toBe(502);
    expect(answer.body).toBe('');
  });

  it('a backend that refuses is heard', async () => {
    const { port } = await bed(() => 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
    const session = await http2Client(port);
    closers.push(() => session.destroy());
    const answer = await answerOf(session.request(connect, { endStream: false }));
    expect(answer.headers[':status']).toBe(403);
    expect(answer.body).toBe('no');
  });

  it('a tunnel that the backend ends as it opens it ends at the client', async () => {
    const backend = await Http2Backend.start((stream) => stream.respond({ ':status': 200 }, { endStream: true }), {
      settings: { enableConnectProtocol: true },
    });
    closers.push(() => backend.close());
    const proxy = await startProxy([backend.port], { upstream: { protocol: 'h2c' } });
    const peer = await rawClient(proxy.port);
    closers.push(() => peer.socket.destroy());
    peer.send(
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    expect(await peer.toEnd()).toMatch(/^HTTP\/1\.1 101 /);
  });

  it('an upgrade of HTTP/1.1 becomes an extended CONNECT where the backend allows it', async () => {
    const backend = await Http2Backend.start(
      (stream) => {
        stream.respond({ ':status': 200 });
        stream.pipe(stream);
      },
      { settings: { enableConnectProtocol: true } },
    );
    closers.push(() => backend.close());
    const proxy = await startProxy([backend.port], { upstream: { protocol: 'h2c' } });
    const peer = await rawClient(proxy.port);
    closers.push(() => peer.socket.destroy());
    const key = 'dGhlIHNhbXBsZSBub25jZQ==';
    peer.send(
      `GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    );
    const head = await peer.contains('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 101 /);
    expect(head).toContain('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
    expect(backend.requests[0]).toMatchObject({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat' });
    peer.send('echo');
    await peer.contains('\r\n\r\necho');
  });
});
