/** Backends of HTTP/2 behind clients of both protocols: what is forwarded, shared, tried again and limited. */
import { once } from 'node:events';
import type { ClientHttp2Session } from 'node:http2';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { TestAuthority } from '../testing/certificates.ts';
import type { TestCertificate } from '../testing/certificates.ts';
import { startProxy } from '../testing/http-bed.ts';
import type { HttpBedOptions } from '../testing/http-bed.ts';
import { answerOf, Http2Backend, http2Client, http2Get } from '../testing/http2-peers.ts';
import type { Http2Handler } from '../testing/http2-peers.ts';
import { rawClient, rawRequest } from '../testing/raw-tcp.ts';

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const answersOk: Http2Handler = (stream) => {
  stream.respond({ ':status': 200 });
  stream.end('ok');
};

async function startH2(handler: Http2Handler = answersOk, options: Parameters<typeof Http2Backend.start>[1] = {}) {
  const backend = await Http2Backend.start(handler, options);
  closers.push(() => backend.close());
  return backend;
}

async function client(port: number): Promise<ClientHttp2Session> {
  const session = await http2Client(port);
  closers.push(() => session.destroy());
  return session;
}

async function h2Bed(handler: Http2Handler = answersOk, options: HttpBedOptions = {}) {
  const backend = await startH2(handler);
  const proxy = await startProxy([backend.port], { ...options, upstream: { protocol: 'h2c', ...options.upstream } });
  return { backend, proxy, session: await client(proxy.port) };
}

const H = 'Host: a\r\nConnection: close\r\n';

describe('HTTP/2 to HTTP/2', () => {
  it('forwards fields, bodies and trailers both ways', async () => {
    const { session, backend } = await h2Bed((stream) => {
      let body = '';
      let sum = '';
      stream.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')));
      stream.on('trailers', (fields) => (sum = String(fields['x-sum'])));
      stream.on('end', () => {
        stream.respond({ ':status': 201, 'x-b': '1', 'set-cookie': ['a=1', 'b=2'] }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(`${body}/${sum}`);
      });
    });
    const stream = session.request({ ':path': '/x?y', ':method': 'POST', cookie: 'c=1' }, {
      waitForTrailers: true,
    } as never);
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }));
    stream.end('hello');
    const answer = await answerOf(stream);
    expect(answer).toMatchObject({ headers: { ':status': 201, 'x-b': '1' }, body: 'hello/42', code: 0 });
    expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2']);
    expect(answer.trailers['grpc-status']).toBe('0');
    expect(backend.requests[0]).toMatchObject({ ':method': 'POST', ':path': '/x?y', ':scheme': 'http', cookie: 'c=1' });
    expect(backend.requests[0]?.['x-forwarded-for']).toBe('127.0.0.1');
    expect(backend.requests[0]?.['transfer-encoding']).toBeUndefined();
  });

  it('shares one connection among many requests', async () => {
    const { session, backend, proxy } = await h2Bed();
    const answers = await Promise.all(Array.from({ length: 60 }, () => http2Get(session, { ':path': '/' })));
    expect(answers.every((answer) => answer.body === 'ok')).toBe(true);
    expect(backend.sessions.length).toBe(1);
    expect(proxy.backend('app', 'b1').runtime.inFlight()).toBe(0);
  });

  it('opens as many connections as the backend’s stream limit asks for', async () => {
    const backend = await startH2(answersOk, { settings: { maxConcurrentStreams: 5 } });
    const proxy = await startProxy([backend.port], { upstream: { protocol: 'h2c' } });
    const session = await client(proxy.port);
    const answers = await Promise.all(Array.from({ length: 30 }, () => http2Get(session, { ':path': '/' })));
    expect(answers.map((answer) => answer.body)).toEqual(answers.map(() => 'ok'));
    expect(backend.sessions.length).toBeGreaterThan(1);
  });

  it('carries large bodies both ways', async () => {
    const size = 3_000_000;
    const { session } = await h2Bed((stream) => {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    });
    const answer = await http2Get(session, { ':path': '/', ':method': 'POST' }, 'z'.repeat(size));
    expect(answer.body.length).toBe(size);
  });

  it('cancels toward the backend what the client takes back', async () => {
    let code = -1;
    const { session, backend, proxy } = await h2Bed((stream) =>
      stream.on('close', () => (code = stream.rstCode ?? -2)),
    );
    const stream = session.request({ ':path': '/' });
    stream.on('error', () => {});
    await waitFor('the request', () => backend.requests.length === 1);
    stream.close(8);
    await waitFor('the reset', () => code === 8);
    expect(proxy.backend('app', 'b1').runtime.inFlight()).toBe(0);
  });

  it('resets toward the client what the backend resets', async () => {
    let breakOff = () => {};
    const { session } = await h2Bed((stream) => {
      stream.respond({ ':status': 200 });
      stream.write('part');
      breakOff = () => stream.destroy(new Error('broken'));
    });
    const stream = session.request({ ':path': '/' });
    const answer = answerOf(stream);
    await once(stream, 'data');
    breakOff();
    expect((await answer).code).toBe(2);
  });

  it('refuses more than the declared length of a response', async () => {
    const { session } = await h2Bed((stream) => {
      stream.respond({ ':status': 200, 'content-length': '100' }, {});
      stream.end('short');
    });
    const answer = await http2Get(session, { ':path': '/' });
    expect(answer.headers[':status'] === 502 || answer.code !== 0).toBe(true);
  });
});

describe('HTTP/1.1 to HTTP/2', () => {
  it('answers with a length where there is one, in chunks with trailers where there is none', async () => {
    const { proxy } = await h2Bed((stream, headers) => {
      if (headers[':path'] === '/length') stream.respond({ ':status': 200, 'content-length': '2' });
      else {
        stream.respond({ ':status': 200 }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': 'yes' }));
      }
      stream.end('ok');
    });
    expect(await rawRequest(proxy.port, `GET /length HTTP/1.1\r\n${H}\r\n`)).toMatch(
      /content-length: 2\r\n[^]*\r\n\r\nok$/,
    );
    const chunked = await rawRequest(proxy.port, `GET /chunks HTTP/1.1\r\n${H}\r\n`);
    expect(chunked).toContain('Transfer-Encoding: chunked\r\n');
    expect(chunked).toMatch(/\r\n\r\n2\r\nok\r\n0\r\nx-end: yes\r\n\r\n$/);
  });

  it('decodes a chunked request, and keeps the connection for the next', async () => {
    const { proxy, backend } = await h2Bed((stream) => {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    });
    const peer = await rawClient(proxy.port);
    peer.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n');
    await peer.contains('0\r\n\r\n');
    const [, ...body] = peer.received.split('\r\n\r\n')[1]?.split('\r\n') ?? [];
    expect(body.filter((_, at) => at % 2 === 0).join('')).toBe('abcde');
    peer.send('HEAD /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await peer.toEnd();
    expect(backend.requests.map((request) => request[':method'])).toEqual(['POST', 'HEAD']);
    peer.socket.destroy();
  });
});

describe('another try', () => {
  it('goes elsewhere when a backend cannot be reached, whatever the method', async () => {
    const backend = await startH2();
    const proxy = await startProxy([1, backend.port], { upstream: { protocol: 'h2c' } });
    const session = await client(proxy.port);
    for (let count = 0; count < 4; count++)
      expect((await http2Get(session, { ':path': '/', ':method': 'POST' }, 'x')).headers[':status']).toBe(200);
  });

  it('goes elsewhere when a backend refuses the stream, whatever the method', async () => {
    const refusing = await startH2((stream) => stream.close(7));
    const backend = await startH2();
    const proxy = await startProxy([refusing.port, backend.port], { upstream: { protocol: 'h2c' } });
    const session = await client(proxy.port);
    for (let count = 0; count < 4; count++)
      expect((await http2Get(session, { ':path': '/', ':method': 'POST' }, 'x')).headers[':status']).toBe(200);
  });

  it('opens another connection after GOAWAY', async () => {
    const { session, backend } = await h2Bed();
    await http2Get(session, { ':path': '/' });
    backend.sessions[0]?.close();
    await waitFor('the end of the first connection', () => backend.sessions[0]?.destroyed);
    expect((await http2Get(session, { ':path': '/' })).body).toBe('ok');
    expect(backend.sessions.length).toBe(2);
  });

  it('does not repeat a POST that was sent', async () => {
    const { session, backend } = await h2Bed((stream) => stream.session?.destroy());
    const answer = await http2Get(session, { ':path': '/', ':method': 'POST' }, 'x');
    expect(answer.headers[':status']).toBe(502);
    expect(backend.requests.length).toBe(1);
  });
});

describe('limits', () => {
  it('lets requests wait where the backend takes no more', async () => {
    let running = 0;
    let most = 0;
    const { session } = await h2Bed(
      (stream) => {
        most = Math.max(most, ++running);
        setImmediate(() => {
          running--;
          stream.respond({ ':status': 200 });
          stream.end('ok');
        });
      },
      { upstream: { maxConnections: 2, queueTimeoutMs: 5_000 } },
    );
    const answers = await Promise.all(Array.from({ length: 20 }, () => http2Get(session, { ':path': '/' })));
    expect(answers.every((answer) => answer.body === 'ok')).toBe(true);
    expect(most).toBeLessThanOrEqual(2);
  });

  it('answers 504 to a backend that says nothing, and retires connections that stay idle', async () => {
    const { session, backend } = await h2Bed(
      (stream, headers) => (headers[':path'] === '/' ? null : answersOk(stream, headers)),
      {
        upstream: { responseTimeoutMs: 100, keepAliveMs: 100 },
      },
    );
    expect((await http2Get(session, { ':path': '/' })).headers[':status']).toBe(504);
    expect((await http2Get(session, { ':path': '/ok' })).body).toBe('ok');
    await waitFor('the end of the connection', () => backend.sessions.every((one) => one.destroyed));
  });
});

describe('TLS', () => {
  let authority: TestAuthority;
  let certificate: TestCertificate;
  beforeAll(async () => {
    authority = await TestAuthority.create();
    certificate = await authority.issue('localhost');
  });

  it('speaks h2 by ALPN on both sides', async () => {
    const tls = { cert: certificate.certPem, key: certificate.keyPem };
    const backend = await startH2(answersOk, { tls });
    const upstreamTls = { verify: true, ca: 'ca', serverName: 'localhost', clientCertificate: null };
    const proxy = await startProxy([backend.port], {
      tls,
      upstream: { protocol: 'h2', tls: upstreamTls },
      snapshot: { certificates: [{ name: 'ca', certPem: authority.certPem, keyPem: '' }] },
    });
    const session = await http2Client(proxy.port, { ca: authority.certPem }, 'https');
    closers.push(() => session.destroy());
    expect(session.alpnProtocol).toBe('h2');
    const answers = await Promise.all(Array.from({ length: 20 }, () => http2Get(session, { ':path': '/' })));
    expect(answers.every((answer) => answer.body === 'ok')).toBe(true);
    expect(backend.requests[0]).toMatchObject({ ':scheme': 'https', 'x-forwarded-proto': 'https' });
  });

  it('refuses a backend that does not speak h2', async () => {
    const { createServer } = await import('node:tls');
    const server = createServer({ cert: certificate.certPem, key: certificate.keyPem, ALPNProtocols: ['http/1.1'] });
    server.on('tlsClientError', () => {});
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(() => server.close());
    const upstreamTls = { verify: false, ca: null, serverName: 'localhost', clientCertificate: null };
    const { port } = server.address() as { port: number };
    const proxy = await startProxy([port], { upstream: { protocol: 'h2', tls: upstreamTls } });
    expect(await rawRequest(proxy.port, `GET / HTTP/1.1\r\n${H}\r\n`)).toContain('HTTP/1.1 502');
  });
});
