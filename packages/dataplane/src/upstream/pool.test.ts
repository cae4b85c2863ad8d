/** Connections to backends: reuse, limits and queue, settings that change, TLS, PROXY headers, backends that go. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { bed, bedSnapshot, startBackend, startProxy } from '../testing/http-bed.ts';
import { OK_RESPONSE, rawClient, rawRequest } from '../testing/raw-tcp.ts';
import { UpstreamPool } from './pool.ts';
import { proxyHeader } from './proxy-header-out.ts';
import { RetryBudget } from './retry-budget.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

describe('reuse', () => {
  test('the connection used last is used first', async () => {
    const { backend, port } = await bed(() => null);
    const clients = [await rawClient(port), await rawClient(port)];
    for (const client of clients) client.send(GET);
    const first = await backend.peer(0);
    const second = await backend.peer(1);
    first.send(OK_RESPONSE);
    await waitFor('the first answer', () => clients.some((client) => client.ended));
    second.send(OK_RESPONSE);
    await waitFor('both answers', () => clients.every((client) => client.ended));
    const before = second.received.length;
    const third = await rawClient(port);
    third.send(GET);
    await waitFor('a request on the second', () => second.received.length > before);
    second.send(OK_RESPONSE);
    await third.toEnd();
    expect(backend.peers).toHaveLength(2);
  });

  test('idle connections close after keepAliveMs', async () => {
    const { backend, port } = await bed(undefined, { upstream: { keepAliveMs: 1 } });
    await rawRequest(port, GET);
    const peer = await backend.peer();
    await waitFor('the idle connection to close', () => peer.ended || peer.closed);
    await rawRequest(port, GET);
    expect(backend.peers).toHaveLength(2);
  });

  test('a removed backend loses its idle connections at once, and busy ones after their answer', async () => {
    const { backend, port, proxy } = await bed((request, peer) =>
      request === 0 && peer === backend.peers[0] ? OK_RESPONSE : null,
    );
    await rawRequest(port, GET);
    const client = await rawClient(port);
    client.send(GET);
    const busy = await backend.peer();
    await waitFor('the second request', () => busy.received.split('GET').length === 3);
    proxy.replace(bedSnapshot([]));
    busy.send(OK_RESPONSE);
    expect(await client.toEnd()).toContain('\r\n\r\nok');
    await waitFor('the connection to close', () => busy.ended || busy.closed);
    expect(await rawRequest(port, GET)).toMatch(/^HTTP\/1\.1 503 /);
  });

  test('changed settings are not mixed with old connections', async () => {
    const { backend, port, proxy } = await bed();
    await rawRequest(port, GET);
    proxy.replace(bedSnapshot([backend.port], { upstream: { connectTimeoutMs: 1_234 } }));
    await rawRequest(port, GET);
    expect(backend.peers).toHaveLength(2);
    proxy.replace(bedSnapshot([backend.port], { upstream: { connectTimeoutMs: 1_234 } }));
    await rawRequest(port, GET);
    expect(backend.peers).toHaveLength(2);
  });
});

describe('limits', () => {
  test('maxConnections: the next request waits in the queue and is served', async () => {
    const { backend, port } = await bed(() => null, { upstream: { maxConnections: 1, queueTimeoutMs: 10_000 } });
    const first = await rawClient(port);
    first.send(GET);
    const peer = await backend.peer();
    await peer.contains('\r\n\r\n');
    const second = await rawClient(port);
    second.send('POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc');
    peer.send(OK_RESPONSE);
    await first.toEnd();
    await peer.contains('\r\n\r\nabc');
    peer.send(OK_RESPONSE);
    expect(await second.toEnd()).toContain('\r\n\r\nok');
    expect(backend.peers).toHaveLength(1);
  });

  test('a full queue and a long wait are 503', async () => {
    const { backend, port } = await bed(() => null, {
      upstream: { maxConnections: 1, maxPending: 1, queueTimeoutMs: 50 },
    });
    const first = await rawClient(port);
    first.send(GET);
    await (await backend.peer()).contains('\r\n\r\n');
    const answers = await Promise.all([rawRequest(port, GET), rawRequest(port, GET)]);
    for (const reason of ['queue-full', 'queue-timeout'])
      expect(answers.join('')).toContain(`X-Flotilla-Error: ${reason}\r\n`);
    for (const answer of answers) expect(answer).toMatch(/^HTTP\/1\.1 503 /);
  });

  test('a client that leaves the queue is not sent on', async () => {
    const { backend, port, proxy } = await bed(() => null, { upstream: { maxConnections: 1, queueTimeoutMs: 10_000 } });
    const waiting = (count: number) =>
      waitFor(`${count} in the queue`, () => {
        const { upstream } = proxy.backend('app', 'b1').runtime;
        return upstream instanceof UpstreamPool && upstream.waitingCount === count;
      });
    const first = await rawClient(port);
    first.send(GET);
    const peer = await backend.peer();
    await peer.contains('\r\n\r\n');
    const gone = await rawClient(port);
    gone.send('GET /gone HTTP/1.1\r\nHost: a\r\n\r\n');
    await waiting(1);
    gone.socket.resetAndDestroy();
    await waiting(0);
    const last = await rawClient(port);
    last.send('GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await waiting(1);
    peer.send(OK_RESPONSE);
    await peer.contains('/last');
    peer.send(OK_RESPONSE);
    expect(await last.toEnd()).toContain('\r\n\r\nok');
    expect(backend.received).not.toContain('/gone');
  });

  test('the retry budget is a share of recent requests, a few in any case', () => {
    const budget = new RetryBudget();
    expect([1, 2, 3, 4].map(() => budget.tryRetry(0, 0.2, 3))).toEqual([true, true, true, false]);
    for (let count = 0; count < 100; count++) budget.request(1);
    let allowed = 0;
    while (budget.tryRetry(1, 0.2, 3)) allowed++;
    expect(allowed).toBe(17);
    expect(budget.tryRetry(1_000_000, 0.2, 3)).toBe(true);
  });
});

describe('PROXY headers', () => {
  test('version 1 before each request, on a connection of its own', async () => {
    const { backend, port } = await bed(undefined, { upstream: { proxyProtocol: 'v1' } });
    await rawRequest(port, GET);
    await rawRequest(port, GET);
    expect(backend.peers).toHaveLength(2);
    for (const peer of backend.peers)
      expect(peer.received).toMatch(new RegExp(`^PROXY TCP4 127\\.0\\.0\\.1 127\\.0\\.0\\.1 \\d+ ${port}\r\nGET `));
  });

  test('version 2, both families', () => {
    const v4 = proxyHeader('v2', {
      sourceAddress: '1.2.3.4',
      sourcePort: 258,
      destinationAddress: '5.6.7.8',
      destinationPort: 80,
      extensions: Buffer.alloc(0),
    });
    expect(v4).toBe('\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\0P');
    const v6 = proxyHeader('v2', {
      sourceAddress: '2001:db8::1',
      sourcePort: 1,
      destinationAddress: '::ffff:1.2.3.4',
      destinationPort: 2,
      extensions: Buffer.alloc(0),
    });
    expect(v6).toHaveLength(16 + 36);
    expect(v6.slice(16, 32)).toBe(`\x20\x01\x0d\xb8${'\0'.repeat(11)}\x01`);
    expect(v6.slice(32, 48)).toBe(`${'\0'.repeat(10)}\xff\xff\x01\x02\x03\x04`);
    const nobody = { sourceAddress: '', sourcePort: 0, destinationAddress: '', destinationPort: 0 };
    const unknown = { ...nobody, extensions: Buffer.alloc(0) };
    expect(proxyHeader('v1', unknown)).toBe('PROXY UNKNOWN\r\n');
    expect(proxyHeader('v2', unknown)).toBe('\r\n\r\n\0\r\nQUIT\n\x20\0\0\0');
  });
});

describe('TLS to backends', () => {
  test('a handshake that does not come to its end is given up after connectTimeoutMs', async () => {
    const backend = await startBackend(() => null);
    const tls = { verify: false, ca: null, serverName: null, clientCertificate: null };
    const proxy = await startProxy([backend.port], { upstream: { tls, connectTimeoutMs: 100 } });
    expect(await rawRequest(proxy.port, GET)).toMatch(/^HTTP\/1\.1 504 [^]*upstream-connect-timeout/);
    expect(proxy.backend('app', 'b1').runtime.inFlight()).toBe(0);
  });

  test('verified against the pool’s CA and name; refused without', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'upstream-tls-'));
    const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
        '-keyout',
        keyFile,
        '-out',
        certFile,
        '-subj',
        '/CN=api.internal',
        '-addext',
        'subjectAltName=DNS:api.internal',
      ],
      { stdio: 'ignore' },
    );
    const [key, cert] = [readFileSync(keyFile, 'utf8'), readFileSync(certFile, 'utf8')];
    rmSync(folder, { recursive: true });
    const names: unknown[] = [];
    const server = createTlsServer({ key, cert, requestCert: true, rejectUnauthorized: false }, (socket) => {
      names.push(socket.servername);
      const identity = socket.getPeerCertificate().subject?.CN ?? 'nobody';
      socket.on('error', () => {});
      socket.on('data', () => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${identity.length}\r\n\r\n${identity}`));
    });
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const port = (server.address() as AddressInfo).port;
    const certificates = [{ name: 'corp', certPem: cert, keyPem: key }];
    const tls = { verify: true, ca: 'corp', serverName: 'api.internal', clientCertificate: 'corp' };
    const good = await startProxy([port], { upstream: { tls }, snapshot: { certificates } });
    expect(await rawRequest(good.port, GET)).toMatch(/\r\n\r\napi\.internal$/);
    expect(names).toEqual(['api.internal']);
    for (const wrong of [
      { ...tls, ca: null },
      { ...tls, serverName: 'other' },
    ]) {
      const bad = await startProxy([port], { upstream: { tls: wrong }, snapshot: { certificates } });
      expect(await rawRequest(bad.port, GET)).toMatch(/^HTTP\/1\.1 502 [^]*upstream-tls-failure/);
    }
    const careless = await startProxy([port], {
      upstream: { tls: { ...tls, ca: null, verify: false } },
      snapshot: { certificates },
    });
    expect(await rawRequest(careless.port, GET)).toMatch(/200 OK/);
    server.close();
  });
});
