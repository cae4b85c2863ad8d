/** Probes against real sockets: every protocol, every way to fail, thresholds, changes of the targets. */
import { createServer as createHttp, type Server as HttpServer } from 'node:http';
import { createServer as createHttp2, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer, type Server } from 'node:net';
import type { HealthSpec } from '@flotilla/shared';
import { waitFor } from '@flotilla/shared/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { probe } from './probe.ts';
import { type Opinion, Prober } from './prober.ts';
import type { ProbeTarget } from './target.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

const HEALTH: HealthSpec = {
  protocol: 'http',
  path: '/ready',
  method: 'GET',
  host: null,
  expectStatus: [200],
  port: null,
  timeoutMs: 1_000,
  intervalMs: 50,
  unhealthyAfter: 2,
  healthyAfter: 2,
  observers: 'majority',
};

async function listen(server: Server | HttpServer | ReturnType<typeof createHttp2>): Promise<number> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

function target(port: number, health: Partial<HealthSpec> = {}, rest: Partial<ProbeTarget> = {}): ProbeTarget {
  return {
    pool: 'api',
    backend: 'b1',
    host: '127.0.0.1',
    port,
    health: { ...HEALTH, ...health },
    http2: false,
    proxyProtocol: 'none',
    tls: null,
    ...rest,
  };
}

const once = (one: ProbeTarget) => probe(one, new AbortController().signal);

/** Answers every connection with these bytes. */
function raw(bytes: string): Promise<number> {
  return listen(
    createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.write(bytes));
    }),
  );
}

describe('one probe', () => {
  it('takes the final status, not an interim one', async () => {
    const port = await raw('HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n');
    expect(await once(target(port))).toMatchObject({ ok: true, detail: 'status 200' });
  });

  it.each([
    ['another status', 'HTTP/1.1 503 No\r\n\r\n', 'status 503'],
    ['no HTTP', 'SSH-2.0-OpenSSH\r\n', 'not an HTTP answer'],
  ])('fails on %s', async (_what, bytes, detail) => {
    expect(await once(target(await raw(bytes)))).toMatchObject({ ok: false, detail });
  });

  it('fails on silence in time, on a refused connection and on a name that nobody has', async () => {
    const silent = await listen(createServer((socket) => void socket.on('error', () => undefined)));
    expect(await once(target(silent, { timeoutMs: 40 }))).toMatchObject({
      ok: false,
      detail: 'no answer within 40 ms',
    });
    const server = createServer();
    const port = await listen(server);
    await new Promise((done) => server.close(done));
    expect(await once(target(port))).toMatchObject({ ok: false, detail: 'connection refused' });
    expect((await once(target(port, {}, { host: 'nobody.invalid' }))).ok).toBe(false);
  });

  it('asks as the pool says: port, method, path, host, expected status, PROXY header first', async () => {
    let asked = '';
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        asked += chunk.toString('latin1');
        if (asked.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 204 No Content\r\n\r\n');
      });
    });
    const port = await listen(server);
    const health = { method: 'HEAD', path: '/healthz?deep=1', host: 'app.internal', expectStatus: [200, 204] };
    expect(await once(target(port, health, { proxyProtocol: 'v1' }))).toMatchObject({ ok: true, detail: 'status 204' });
    const [proxy, line, ...fields] = asked.split('\r\n');
    expect(proxy).toBe('PROXY UNKNOWN');
    expect(line).toBe('HEAD /healthz?deep=1 HTTP/1.1');
    expect(fields).toContain('Host: app.internal');
    expect(await once(target(port, { ...health, expectStatus: [200] }))).toMatchObject({ ok: false });
  });

  it('connects only, where tcp is asked for', async () => {
    expect(await once(target(await raw(''), { protocol: 'tcp' }))).toMatchObject({ ok: true, detail: 'connected' });
  });

  it.each([
    ['a host that is none', { host: 'not a host' }, { http2: true }],
    ['a host that is none, of gRPC', { host: '::1', protocol: 'grpc' as const }, {}],
    ['a method that asks for something else', { method: 'CONNECT' }, { http2: true }],
  ])('fails, and ends nothing else, on %s', async (_what, health, rest) => {
    const port = await listen(createHttp2());
    expect((await once(target(port, health, rest))).ok).toBe(false);
  });

  it('speaks HTTP/2 where the pool does', async () => {
    const port = await listen(createHttp2((_request, response) => void response.writeHead(204).end()));
    expect(await once(target(port, { expectStatus: [204] }, { http2: true }))).toMatchObject({ ok: true });
  });

  it.each(['shop.Cart', 'a'.repeat(127), 'b'.repeat(128), 'c'.repeat(1_000)])(
    'names the gRPC service that the path is, however long: %#',
    async (service) => {
      let message = Buffer.alloc(0);
      const server = createHttp2();
      server.on('stream', (stream: ServerHttp2Stream) => {
        stream.on('data', (chunk: Buffer) => (message = Buffer.concat([message, chunk])));
        stream.on('end', () => {
          stream.respond({ ':status': 200 }, { waitForTrailers: true });
          stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
          stream.end(Buffer.from([0, 0, 0, 0, 2, 8, 1]));
        });
      });
      const asked = target(await listen(server), { protocol: 'grpc', path: `/${service}` });
      expect(await once(asked)).toMatchObject({ ok: true });
      expect(message.readUInt32BE(1)).toBe(message.length - 5);
      // Field 1, then its length as a varint, then the name.
      const [tag, low = 0, high = 0] = message.subarray(5);
      const [length, at] = low < 0x80 ? [low, 7] : [(low & 0x7f) | (high << 7), 8];
      expect([tag, length, message.subarray(at).toString()]).toEqual([0x0a, service.length, service]);
    },
  );

  it.each([
    [1, true, 'SERVING'],
    [2, false, 'NOT_SERVING'],
  ])('asks the gRPC health service: %d', async (serving, ok, detail) => {
    const server = createHttp2();
    server.on('stream', (stream: ServerHttp2Stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.from([0, 0, 0, 0, 2, 8, serving]));
    });
    expect(await once(target(await listen(server), { protocol: 'grpc' }))).toMatchObject({ ok, detail });
  });
});

describe('prober', () => {
  function started(): { prober: Prober; opinions: Opinion[] } {
    const opinions: Opinion[] = [];
    const prober = new Prober({ onOpinion: (opinion) => opinions.push(opinion) });
    closers.push(() => prober.close());
    return { prober, opinions };
  }

  it('knows after one probe, then follows the thresholds in both directions', async () => {
    let status = 200;
    let probes = 0;
    const port = await listen(
      createHttp((_request, response) => {
        probes += 1;
        response.writeHead(status).end();
      }),
    );
    const { prober, opinions } = started();
    prober.setTargets([target(port, { unhealthyAfter: 3, intervalMs: 20 })]);
    expect(prober.settled).toBe(false);
    await waitFor('a first opinion', () => prober.settled);
    expect(opinions.map(({ ok }) => ok)).toEqual([true]);
    expect(probes).toBe(1);
    status = 503;
    const before = probes;
    await waitFor('down', () => opinions.length === 2);
    expect(opinions[1]).toMatchObject({ ok: false, detail: 'status 503' });
    expect(probes - before).toBeGreaterThanOrEqual(3);
    status = 200;
    await waitFor('up again', () => opinions.at(-1)?.ok === true);
  });

  it('does not change its mind about one failure between successes', async () => {
    let probes = 0;
    const port = await listen(
      createHttp((_request, response) => {
        probes += 1;
        response.writeHead(probes % 3 === 2 ? 503 : 200).end();
      }),
    );
    const { prober, opinions } = started();
    prober.setTargets([target(port, { intervalMs: 10 })]);
    await waitFor('many probes', () => probes > 12);
    expect(opinions).toHaveLength(1);
  });

  it('forgets what is gone and asks a changed address at once', async () => {
    const good = await raw('HTTP/1.1 200 OK\r\n\r\n');
    const bad = await raw('HTTP/1.1 500 No\r\n\r\n');
    const { prober, opinions } = started();
    prober.setTargets([target(good, { intervalMs: 60_000, unhealthyAfter: 1 })]);
    await waitFor('up', () => opinions.length === 1);
    prober.setTargets([target(bad, { intervalMs: 60_000, unhealthyAfter: 1 })]);
    // What was true of the former address is not said of this one.
    expect([...prober.opinions()]).toEqual([]);
    expect(prober.settled).toBe(false);
    await waitFor('down at the new address', () => opinions.at(-1)?.ok === false);
    prober.setTargets([]);
    expect([...prober.opinions()]).toEqual([]);
    expect(prober.settled).toBe(true);
  });
});
