/** HAProxy before and behind a real node: PROXY headers of both versions in and out, forwarding fields, HTTP/2 between them. */
import { connect } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stablePorts } from '../harness/ports.ts';
import { Edge } from './edge.ts';
import { startOrigin } from './origin.ts';
import type { Told } from './origin.ts';
import { ForeignServer, has, Scratch } from './tools.ts';

/** What HAProxy says of itself, so that its answers are told from ours. */
const BEHIND =
  'http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port] %[req.ver] %[path]"';

describe.skipIf(!has('haproxy'))('HAProxy', () => {
  const scratch = new Scratch();
  const servers: ForeignServer[] = [];
  let edge: Edge;
  let before: Record<'v1' | 'v2' | 'h2' | 'tcp', number>;

  beforeAll(async () => {
    const origin = await startOrigin('origin');
    const [plain = 0, accepts = 0, v1 = 0, v2 = 0, h2 = 0, tcp = 0] = await stablePorts(6);
    before = { v1, v2, h2, tcp };
    const behind = scratch.file(
      'behind.cfg',
      `defaults
  mode http
  timeout client 30s
  timeout connect 5s
  timeout server 30s
frontend plain
  bind 127.0.0.1:${plain}
  ${BEHIND}
frontend accepts
  bind 127.0.0.1:${accepts} accept-proxy
  ${BEHIND}
`,
    );
    servers.push(await ForeignServer.start('haproxy', ['-db', '-f', behind], [plain]));
    const proxyProtocol = { accept: true, trusted: ['127.0.0.0/8'] };
    const to = (pool: string) => [{ pool }];
    edge = await Edge.start({
      listeners: {
        web: { protocol: 'http', proxyProtocol, trustedProxies: ['127.0.0.0/8'] },
        raw: { protocol: 'tcp', proxyProtocol, routes: to('v2') },
        open: { protocol: 'http', trustedProxies: ['127.0.0.0/8'] },
        plain: { protocol: 'http', routes: to('plain') },
        v1: { protocol: 'http', routes: to('v1') },
        v2: { protocol: 'http', routes: to('v2') },
        'raw-v1': { protocol: 'tcp', routes: to('v1') },
        'raw-v2': { protocol: 'tcp', routes: to('v2') },
        h2c: { protocol: 'http', routes: to('h2c') },
      },
      pools: {
        app: { ports: [origin.port] },
        plain: { ports: [plain] },
        v1: { ports: [accepts], pool: { upstream: { proxyProtocol: 'v1' } } },
        v2: { ports: [accepts], pool: { upstream: { proxyProtocol: 'v2' } } },
        h2c: { ports: [plain], pool: { upstream: { protocol: 'h2c' } } },
      },
    });
    const inFront = scratch.file(
      'before.cfg',
      `defaults
  mode http
  option forwardfor
  timeout client 30s
  timeout connect 5s
  timeout server 30s
listen v1
  bind 127.0.0.1:${v1}
  server node 127.0.0.1:${edge.port('web')} send-proxy
listen v2
  bind 127.0.0.1:${v2}
  server node 127.0.0.1:${edge.port('web')} send-proxy-v2
listen h2
  bind 127.0.0.1:${h2}
  server node 127.0.0.1:${edge.port('open')} proto h2
listen tcp
  mode tcp
  bind 127.0.0.1:${tcp}
  server node 127.0.0.1:${edge.port('raw')} send-proxy-v2 proxy-v2-options unique-id,crc32c
`,
    );
    servers.push(await ForeignServer.start('haproxy', ['-db', '-f', inFront], [v1]));
    return () => origin.close();
  });
  afterAll(async () => {
    for (const server of servers) await server.end();
    await edge?.[Symbol.asyncDispose]();
    scratch.remove();
  });

  const text = async (port: number, path = '/x'): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port}${path}`)).text();

  it.each(['v1', 'v2'] as const)('before us, introducing the client by PROXY %s', async (version) => {
    const told = JSON.parse(await text(before[version])) as Told;
    expect(told.headers['x-forwarded-for']).toBe('127.0.0.1, 127.0.0.1');
    expect(told.headers['via']).toBe('1.1 flotilla');
  });

  it('before us, over HTTP/2', async () => {
    const told = JSON.parse(await text(before.h2, '/bytes?x=1')) as Told;
    expect(told).toMatchObject({ method: 'GET', url: '/bytes?x=1' });
    expect(told.headers['x-forwarded-for']).toMatch(/^127\.0\.0\.1, 127\.0\.0\.1$/);
    expect((await text(before.h2, '/bytes/1000000')).length).toBe(1_000_000);
  });

  it.each([
    ['plain', 'HTTP/1.1', '1\\.1'],
    ['v1', 'PROXY version 1', '1\\.1'],
    ['v2', 'PROXY version 2', '1\\.1'],
    ['h2c', 'HTTP/2', '2\\.0'],
  ])('behind us, reached by listener %s with %s', async (listener, _, version) => {
    expect(await text(edge.port(listener))).toMatch(new RegExp(`^127\\.0\\.0\\.1:\\d+ ${version} /x$`));
  });

  it.each(['raw-v1', 'raw-v2'])('behind us on a raw stream, told who the client is: %s', async (listener) => {
    const socket = connect(edge.port(listener), '127.0.0.1');
    await once(socket, 'connect');
    socket.end('GET /raw HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    const { localPort } = socket;
    await once(socket, 'end');
    expect(Buffer.concat(chunks).toString()).toContain(`\r\n\r\n127.0.0.1:${localPort} 1.1 /raw`);
  });

  it('on both sides: the last one sees the client of the first, extensions and all', async () => {
    const socket = connect(before.tcp, '127.0.0.1');
    await once(socket, 'connect');
    socket.end('GET /both HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    const { localPort } = socket;
    await once(socket, 'end');
    expect(Buffer.concat(chunks).toString()).toContain(`\r\n\r\n127.0.0.1:${localPort} 1.1 /both`);
  });
});
