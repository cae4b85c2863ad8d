/** curl against a real node: every version of HTTP it speaks, uploads that wait for 100, cookies, ranges, PROXY, WebSocket. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { TestAuthority } from '@flotilla/dataplane/testing';
import { Edge } from './edge.ts';
import { startOrigin } from './origin.ts';
import type { Told } from './origin.ts';
import { has, run, Scratch } from './tools.ts';

const BODY_BYTES = 3_000_000;

describe.skipIf(!has('curl'))('curl', () => {
  const scratch = new Scratch();
  let edge: Edge;
  let plain = '';
  let secure = '';
  let trusted: readonly string[] = [];

  beforeAll(async () => {
    const origins = await Promise.all(['one', 'two', 'three'].map((name) => startOrigin(name)));
    const chat = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    chat.on('connection', (peer) => peer.send('welcome', () => peer.terminate()));
    await once(chat, 'listening');
    const authority = await TestAuthority.create();
    const site = await authority.issue('localhost');
    trusted = ['--cacert', scratch.file('ca.pem', authority.certPem)];
    edge = await Edge.start({
      listeners: {
        plain: { protocol: 'http' },
        sticky: { protocol: 'http', routes: [{ pool: 'sticky' }] },
        chat: { protocol: 'http', routes: [{ pool: 'chat' }] },
        proxied: { protocol: 'http', proxyProtocol: { accept: true, trusted: ['127.0.0.0/8'] } },
        secure: { protocol: 'https', tls: { certificates: ['site'] } },
      },
      pools: {
        app: { ports: origins.map(({ port }) => port) },
        chat: { ports: [(chat.address() as AddressInfo).port] },
        sticky: { ports: origins.map(({ port }) => port), pool: { affinity: { type: 'cookie', name: 'LB' } } },
      },
      certificates: [{ name: 'site', ...site }],
    });
    plain = `http://127.0.0.1:${edge.port('plain')}`;
    secure = `https://localhost:${edge.port('secure')}`;
    return async () => {
      chat.close();
      await Promise.all(origins.map((origin) => origin.close()));
    };
  });
  afterAll(async () => {
    await edge?.[Symbol.asyncDispose]();
    scratch.remove();
  });

  const curl = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run('curl', ['-sS', '--max-time', '20', ...trusted, ...args]);
    expect(code, stderr).toBe(0);
    return stdout;
  };
  const told = async (...args: string[]): Promise<Told> => JSON.parse(await curl(...args)) as Told;

  it.each([
    ['HTTP/1.0', () => ['--http1.0', plain], '1.1'],
    ['HTTP/1.1', () => ['--http1.1', plain], '1.1'],
    ['HTTP/2 by prior knowledge', () => ['--http2-prior-knowledge', plain], '2'],
    ['an upgrade to h2c, which is passed over', () => ['--http2', plain], '1.1'],
    ['HTTP/1.1 over TLS', () => ['--http1.1', secure], '1.1'],
    ['HTTP/2 over TLS', () => ['--http2', secure], '2'],
  ])('%s', async (_, args, version) => {
    const out = await curl('-w', '%{http_version} %{http_code}', '-o', '/dev/null', ...args());
    expect(out).toBe(`${version} 200`);
  });

  it.each([
    ['a length, waiting for 100 (Continue)', ['--http1.1', '-H', 'Expect: 100-continue']],
    ['chunks', ['--http1.1', '-H', 'Transfer-Encoding: chunked', '-H', 'Expect:']],
    ['frames', ['--http2']],
  ])('uploads 3 MB byte for byte, in %s', async (_, args) => {
    const content = Buffer.alloc(BODY_BYTES, 'some text that repeats, and repeats; ');
    const file = scratch.file('upload', content.toString('latin1'));
    const answer = await told(...args, '-T', file, `${secure}/put`);
    expect(answer).toMatchObject({
      method: 'PUT',
      bodyBytes: BODY_BYTES,
      bodySha256: createHash('sha256').update(content).digest('hex'),
    });
  });

  it('downloads what was sent, many at once over one connection', async () => {
    const names = Array.from({ length: 8 }, (_, at) => join(scratch.directory, `down${at}`));
    const targets = names.flatMap((name) => ['-o', name, `${secure}/bytes/500000`]);
    await curl('--http2', '--parallel', ...targets);
    const sums = names.map((name) => createHash('sha256').update(readFileSync(name)).digest('hex'));
    expect(new Set(sums)).toEqual(
      new Set([createHash('sha256').update(Buffer.alloc(500_000, 'flotilla')).digest('hex')]),
    );
  });

  it('asks with HEAD and waits for no body', async () => {
    const head = await curl('-I', `${plain}/bytes/1234`);
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*content-type: application\/octet-stream\r\n[^]*\r\n\r\n$/i);
  });

  it('reads events as they come', async () => {
    expect(await curl('-N', `${secure}/events`)).toBe('data: 1\n\ndata: 2\n\ndata: 3\n\n');
  });

  it('keeps its session by the cookie that it was given', async () => {
    const jar = join(scratch.directory, 'jar');
    const url = `http://127.0.0.1:${edge.port('sticky')}/`;
    const { name } = await told('-c', jar, url);
    for (let turn = 0; turn < 6; turn++) expect((await told('-b', jar, url)).name).toBe(name);
    const strangers = new Set(await Promise.all([1, 2, 3, 4, 5, 6].map(async () => (await told(url)).name)));
    expect(strangers.size).toBeGreaterThan(1);
  });

  it('introduces itself by a PROXY header', async () => {
    const { headers } = await told('--haproxy-protocol', `http://127.0.0.1:${edge.port('proxied')}/`);
    expect(headers['x-forwarded-for']).toBe('127.0.0.1');
    const without = await run('curl', ['-sS', `http://127.0.0.1:${edge.port('proxied')}/`]);
    expect(without.code).not.toBe(0);
  });

  it('becomes a WebSocket and reads what comes in frames', async () => {
    // Written by hand, since distributions leave ws:// out of curl; key and accepted key are those of RFC 6455, section 1.3.
    const fields = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
    const asked = [...fields, key].flatMap((field) => ['-H', field]);
    const out = await curl('--http1.1', '-i', '-N', ...asked, `http://127.0.0.1:${edge.port('chat')}/`);
    expect(out).toMatch(/^HTTP\/1\.1 101 /);
    expect(out).toMatch(/\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/i);
    expect(out).toMatch(/welcome$/);
  });

  it('gets an answer of ours where no backend is', async () => {
    const out = await curl('-w', '%{http_code}', '-H', 'Host: ', '--http1.1', plain);
    expect(out).toMatch(/bad-host[^]*400$/);
  });
});
