/** nginx before and behind a real node: kept connections, buffered and streamed bodies, PROXY headers, WebSocket upgrades. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { chmodSync, existsSync } from 'node:fs';
import { stablePorts } from '../harness/ports.ts';
import { Edge } from './edge.ts';
import { startOrigin } from './origin.ts';
import type { Told } from './origin.ts';
import { ForeignServer, has, Scratch } from './tools.ts';

const REQUESTS = 200;
/** A package of its own in Debian (libnginx-mod-stream): without it nginx cannot send PROXY headers. */
const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';
const canStream = existsSync(STREAM_MODULE);
if (!canStream) console.log(`no ${STREAM_MODULE} here: PROXY headers from nginx are left out`);

const streamBlock = (from: number, to: number): string => `stream {
  server { listen 127.0.0.1:${from}; proxy_pass 127.0.0.1:${to}; proxy_protocol on; proxy_bind 127.0.0.2; }
  server { listen 127.0.0.3:${from}; proxy_pass 127.0.0.1:${to}; proxy_protocol on; proxy_bind 127.0.0.3; }
}`;

describe.skipIf(!has('nginx'))('nginx', () => {
  const scratch = new Scratch();
  const closers: (() => unknown)[] = [];
  let edge: Edge;
  let inFront = 0;
  let inFrontOfTcp = 0;

  beforeAll(async () => {
    const origin = await startOrigin('origin');
    closers.push(() => origin.close());
    const chat = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    chat.on('connection', (socket) => socket.on('message', (data) => socket.send(String(data))));
    await once(chat, 'listening');
    closers.push(() => chat.close());
    const [front = 0, frontOfTcp = 0, plain = 0, accepts = 0] = await stablePorts(4);
    inFront = front;
    inFrontOfTcp = frontOfTcp;
    edge = await Edge.start({
      listeners: {
        web: {
          protocol: 'http',
          trustedProxies: ['127.0.0.0/8'],
          routes: [{ match: { pathPrefix: '/chat' }, pool: 'chat' }, { pool: 'app' }],
        },
        told: { protocol: 'http', proxyProtocol: { accept: true, trusted: ['127.0.0.2/32'] } },
        behind: { protocol: 'http', routes: [{ pool: 'plain' }] },
        v1: { protocol: 'http', routes: [{ pool: 'v1' }] },
        v2: { protocol: 'http', routes: [{ pool: 'v2' }] },
      },
      pools: {
        app: { ports: [origin.port] },
        chat: { ports: [(chat.address() as AddressInfo).port] },
        plain: { ports: [plain] },
        v1: { ports: [accepts], pool: { upstream: { proxyProtocol: 'v1' } } },
        v2: { ports: [accepts], pool: { upstream: { proxyProtocol: 'v2' } } },
      },
    });
    const { directory } = scratch;
    // Started as root its workers are somebody else.
    chmodSync(directory, 0o777);
    const configuration = scratch.file(
      'nginx.conf',
      `${canStream ? `load_module ${STREAM_MODULE};` : ''}
daemon off;
pid ${directory}/pid;
error_log stderr;
worker_processes 1;
events { worker_connections 512; }
${canStream ? streamBlock(frontOfTcp, edge.port('told')) : ''}
http {
  access_log off;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  client_max_body_size 100m;
  upstream node { server 127.0.0.1:${edge.port('web')}; keepalive 8; }
  server {
    listen 127.0.0.1:${front};
    location / {
      proxy_pass http://node;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host shop.example.com;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Request-Id from-nginx;
    }
    location /chat {
      proxy_pass http://node;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
    }
  }
  server {
    listen 127.0.0.1:${plain};
    root ${directory};
    location = /who { return 200 "$remote_addr $http_x_forwarded_for $request_method"; }
  }
  server {
    listen 127.0.0.1:${accepts} proxy_protocol;
    location = /who { return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_port"; }
  }
}
`,
    );
    scratch.file('large.bin', 'nginx '.repeat(500_000));
    const server = await ForeignServer.start('nginx', ['-c', configuration, '-p', directory], [front, plain]);
    closers.push(() => server.end());
  });
  afterAll(async () => {
    for (const close of closers.splice(0).reverse()) await close();
    await edge?.[Symbol.asyncDispose]();
    scratch.remove();
  });

  it('before us: what a trusted proxy says of its client is kept and continued', async () => {
    const told = (await (await fetch(`http://127.0.0.1:${inFront}/hello?a=1`)).json()) as Told;
    expect(told).toMatchObject({ method: 'GET', url: '/hello?a=1' });
    expect(told.headers).toMatchObject({
      host: 'shop.example.com',
      'x-forwarded-for': '127.0.0.1, 127.0.0.1',
      'x-request-id': 'from-nginx',
    });
  });

  it('before us: many requests over few kept connections, none lost', async () => {
    const before = await edge.metric('flotilla_requests_total', 'listener="web"', '2xx');
    const answers = await Promise.all(
      Array.from({ length: REQUESTS }, async (_, at) => {
        const answer = await fetch(`http://127.0.0.1:${inFront}/${at}`, { method: 'POST', body: 'x'.repeat(at * 50) });
        const { url, bodyBytes } = (await answer.json()) as Told;
        return url === `/${at}` && bodyBytes === at * 50;
      }),
    );
    expect(answers.every(Boolean)).toBe(true);
    expect((await edge.metric('flotilla_requests_total', 'listener="web"', '2xx')) - before).toBe(REQUESTS);
  });

  it('before us: an upgrade passes both', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${inFront}/chat`);
    await once(socket, 'open');
    const answer = once(socket, 'message');
    socket.send('through two proxies');
    expect(String((await answer)[0])).toBe('through two proxies');
    socket.close();
  });

  it.skipIf(!canStream)(
    'before us: its PROXY header is believed from the address that is trusted, and from no other',
    async () => {
      const told = (await (await fetch(`http://127.0.0.1:${inFrontOfTcp}/`)).json()) as Told;
      expect(told.headers['x-forwarded-for']).toBe('127.0.0.1');
      // To a stranger the header is what it looks like: no request line.
      expect((await fetch(`http://127.0.0.3:${inFrontOfTcp}/`)).status).toBe(400);
    },
  );

  it('behind us: files whole and in ranges, conditions, errors of its own', async () => {
    const at = `http://127.0.0.1:${edge.port('behind')}`;
    const whole = await fetch(`${at}/large.bin`);
    expect((await whole.text()).length).toBe(3_000_000);
    const part = await fetch(`${at}/large.bin`, { headers: { range: 'bytes=6-16' } });
    expect([part.status, await part.text()]).toEqual([206, 'nginx nginx']);
    const etag = whole.headers.get('etag') ?? '';
    expect((await fetch(`${at}/large.bin`, { headers: { 'if-none-match': etag } })).status).toBe(304);
    const missing = await fetch(`${at}/missing`);
    expect([missing.status, missing.headers.get('x-flotilla-error')]).toEqual([404, null]);
    expect(await (await fetch(`${at}/who`)).text()).toBe('127.0.0.1 127.0.0.1 GET');
  });

  it.each(['v1', 'v2'])('behind us: PROXY %s tells it who asks', async (version) => {
    const said = await (await fetch(`http://127.0.0.1:${edge.port(version)}/who`)).text();
    expect(said).toMatch(new RegExp(`^127\\.0\\.0\\.1 \\d+ ${edge.port(version)}$`));
  });
});
