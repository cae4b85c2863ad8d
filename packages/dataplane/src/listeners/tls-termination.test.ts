/** TLS termination on real proxy threads: SNI, replacement, resumption across threads, client certificates, versions. */
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { connect } from 'node:tls';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import { freePorts, waitFor } from '@flotilla/shared/testing';
import type { CertificateSpec, ListenerSpec, ListenerTls, RoutingSnapshot } from '@flotilla/shared';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { TestAuthority } from '../testing/certificates.ts';
import { startHttpBackend } from '../testing/http-backend.ts';
import { startProxyThreads } from '../testing/proxy-threads.ts';
import type { TestProxyThreads } from '../testing/proxy-threads.ts';
import { backendSpec, listenerSpec, poolSpec, routeTo, routingSnapshot } from '../testing/snapshots.ts';

let authority: TestAuthority;
let certificates: CertificateSpec[];
beforeAll(async () => {
  authority = await TestAuthority.create();
  certificates = [
    { name: 'one', ...(await authority.issue('one.example.com')) },
    { name: 'two', ...(await authority.issue('two.example.com', ['two.example.com', '*.two.example.com'])) },
    { name: 'corp', certPem: authority.certPem, keyPem: '' },
  ];
});

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Setup {
  readonly threads: TestProxyThreads;
  readonly port: number;
  readonly snapshot: RoutingSnapshot;
}

async function start(tls: Partial<ListenerTls> = {}, count = 1, listener: Partial<ListenerSpec> = {}): Promise<Setup> {
  const threads = startProxyThreads({ count });
  cleanups.push(() => threads.close());
  const backend = await startHttpBackend('app', (request, response) => {
    response.end(JSON.stringify(request.headers));
  });
  cleanups.push(() => backend.close());
  const [port = 0] = await freePorts(1);
  const settings: ListenerTls = {
    certificates: ['one', 'two'],
    clientCa: null,
    clientAuth: 'require',
    minVersion: '1.2',
    alpn: ['h2', 'http/1.1'],
    ...tls,
  };
  const snapshot = routingSnapshot({
    certificates,
    listeners: [
      listenerSpec('secure', { port, protocol: 'https', tls: settings, routes: [routeTo('app')], ...listener }),
    ],
    pools: [poolSpec('app', { backends: [backendSpec('b1', { port: backend.port })] })],
  });
  await threads.follow(snapshot);
  return { threads, port, snapshot };
}

async function dial(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, ca: authority.certPem, servername: 'one.example.com', ...options });
  cleanups.push(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

async function get(socket: TLSSocket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket.write('GET / HTTP/1.1\r\nHost: one.example.com\r\n\r\n');
  await waitFor('the answer', () => text.includes('\r\n\r\n') && text.includes('}'));
  return text;
}

function withTls({ listeners: [listener] }: RoutingSnapshot, tls: Partial<ListenerTls>): ListenerSpec {
  if (listener === undefined || listener.tls === null) throw new Error('a listener without TLS');
  return { ...listener, tls: { ...listener.tls, ...tls } };
}

const subject = (socket: TLSSocket): string => socket.getPeerX509Certificate()?.subject ?? '';

describe('certificates', () => {
  test.each([
    ['one.example.com', 'CN=one.example.com'],
    ['two.example.com', 'CN=two.example.com'],
    ['deep.two.example.com', 'CN=two.example.com'],
  ])('%s gets %s, and is served', async (servername, expected) => {
    const { port } = await start();
    const socket = await dial(port, { servername, ALPNProtocols: ['http/1.1'] });
    expect(subject(socket)).toBe(expected);
    expect(socket.alpnProtocol).toBe('http/1.1');
    expect(await get(socket)).toContain('"x-forwarded-proto":"https"');
  });

  test('an unknown name gets the first one', async () => {
    const { port } = await start();
    const socket = await dial(port, { servername: 'other.example.org', checkServerIdentity: () => undefined });
    expect(subject(socket)).toBe('CN=one.example.com');
  });

  test('are replaced without closing what is open', async () => {
    const { threads, port, snapshot } = await start();
    const before = await dial(port);
    const renewed = { name: 'one', ...(await authority.issue('one.example.com')) };
    const next = { ...snapshot, index: 2, certificates: [renewed, ...certificates.slice(1)] };
    await threads.follow(next);
    const after = await dial(port);
    const fingerprint = new X509Certificate(renewed.certPem).fingerprint256;
    expect(after.getPeerX509Certificate()?.fingerprint256).toBe(fingerprint);
    expect(before.getPeerX509Certificate()?.fingerprint256).not.toBe(fingerprint);
    expect(await get(before)).toContain('200 OK');
    expect(threads.threads[0]?.of('listener')).toHaveLength(1);
  });

  test('that cannot be used are reported, and the old ones serve on', async () => {
    const { threads, port, snapshot } = await start();
    const broken = [{ name: 'one', certPem: 'no certificate', keyPem: 'no key' }, ...certificates.slice(1)];
    await threads.follow({ ...snapshot, index: 2, certificates: broken });
    const state = threads.threads[0]?.of('listener').at(-1);
    expect(state).toMatchObject({ bound: true });
    expect(state?.error).toContain('TLS settings');
    expect(subject(await dial(port))).toBe('CN=one.example.com');
  });
});

test('a session resumes on whichever thread comes next', async () => {
  const { port } = await start({}, 2);
  const first = await dial(port, { maxVersion: 'TLSv1.2' });
  const session = first.getSession();
  const reused = await Promise.all(
    Array.from({ length: 12 }, async () => {
      const socket = await dial(port, { maxVersion: 'TLSv1.2', ...(session === undefined ? {} : { session }) });
      return socket.isSessionReused();
    }),
  );
  expect(reused).toEqual(Array.from({ length: 12 }, () => true));
});

test('a version below the least is refused', async () => {
  const { port } = await start({ minVersion: '1.3' });
  await expect(dial(port, { maxVersion: 'TLSv1.2' })).rejects.toThrow(/protocol version/i);
  expect((await dial(port)).getProtocol()).toBe('TLSv1.3');
});

describe('client certificates', () => {
  test('are required: none or a stranger is refused, ours is served', async () => {
    const { port } = await start({ clientCa: 'corp' });
    const ours = await authority.issue('alice');
    const stranger = await (await TestAuthority.create('Stranger')).issue('mallory');
    const options = (certificate: { certPem: string; keyPem: string }) => ({
      cert: certificate.certPem,
      key: certificate.keyPem,
      maxVersion: 'TLSv1.2' as const,
    });
    const answer = await get(await dial(port, options(ours)));
    const fingerprint = new X509Certificate(ours.certPem).fingerprint256.replaceAll(':', '').toLowerCase();
    expect(answer).toContain(`"x-forwarded-client-cert":"Hash=${fingerprint};Subject=\\"CN=alice\\""`);
    await expect(dial(port, options(stranger))).rejects.toThrow();
    await expect(dial(port, { maxVersion: 'TLSv1.2' })).rejects.toThrow();
  });

  test('may be optional', async () => {
    const { port } = await start({ clientCa: 'corp', clientAuth: 'optional' });
    expect(await get(await dial(port))).toContain('200 OK');
  });

  describe.each(['TLSv1.2', 'TLSv1.3'] as const)('are not replaced by a session (%s)', (version) => {
    const only = { minVersion: version, maxVersion: version };

    async function sessionOf(port: number, options: ConnectionOptions): Promise<Buffer> {
      const socket = await dial(port, { ...only, ...options });
      const kept: Buffer[] = [];
      socket.on('session', (session: Buffer) => kept.push(session));
      expect(await get(socket)).toContain('200 OK');
      return kept.at(-1) ?? (socket.getSession() as Buffer);
    }

    /** What the server says to a request on a connection that brings the session; '' where it says nothing. */
    async function answerWith(port: number, session: Buffer): Promise<string> {
      const socket = connect({
        host: '127.0.0.1',
        port,
        ca: authority.certPem,
        servername: 'one.example.com',
        ...only,
        session,
      });
      cleanups.push(() => socket.destroy());
      let text = '';
      let isOver = false;
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
      socket.on('error', () => {});
      socket.on('close', () => (isOver = true));
      socket.write('GET / HTTP/1.1\r\nHost: one.example.com\r\n\r\n');
      await waitFor('an answer, or the end', () => isOver || text.includes('}'));
      return text;
    }

    test('that began when none were asked for', async () => {
      const { threads, port, snapshot } = await start();
      const session = await sessionOf(port, {});
      expect(await answerWith(port, session)).toContain('200 OK');
      await threads.follow({ ...snapshot, index: 2, listeners: [withTls(snapshot, { clientCa: 'corp' })] });
      expect(await answerWith(port, session)).toBe('');
    });

    test('of an authority that is not asked any more', async () => {
      const { threads, port, snapshot } = await start({ clientCa: 'corp' });
      const alice = await authority.issue('alice');
      const session = await sessionOf(port, { cert: alice.certPem, key: alice.keyPem });
      expect(await answerWith(port, session)).toContain('CN=alice');
      const another = { name: 'corp', certPem: (await TestAuthority.create('Another')).certPem, keyPem: '' };
      await threads.follow({ ...snapshot, index: 2, certificates: [...certificates.slice(0, 2), another] });
      expect(await answerWith(port, session)).toBe('');
    });

    test('of a certificate that has expired meanwhile', async () => {
      const { port } = await start({ clientCa: 'corp' });
      const notAfter = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 5_000);
      const alice = await authority.issue('alice', ['alice'], notAfter);
      const session = await sessionOf(port, { cert: alice.certPem, key: alice.keyPem });
      expect(await answerWith(port, session)).toContain('CN=alice');
      await waitFor('the end of the certificate', () => Date.now() > notAfter.getTime());
      expect(await answerWith(port, session)).toBe('');
    });
  });
});

test('what is no TLS is closed and counted', async () => {
  const { threads, port } = await start();
  const socket = connectPlain(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.resume();
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(socket, 'close');
  const errors = await waitFor('the error to be counted', async () => {
    const found = (await threads.threads[0]!.stats()).errors;
    return found.length > 0 ? found : null;
  });
  expect(errors).toEqual([['secure', 'tls-handshake', 1]]);
});

test('a PROXY header before the handshake names the client, also in one piece with the first record', async () => {
  const { port } = await start({}, 1, { proxyProtocol: { accept: true, trusted: ['127.0.0.1'] } });
  const plain = connectPlain(port, '127.0.0.1');
  await once(plain, 'connect');
  plain.cork();
  plain.write('PROXY TCP4 192.0.2.9 198.51.100.2 1000 443\r\n');
  const socket = connect({ socket: plain, ca: authority.certPem, servername: 'one.example.com' });
  cleanups.push(() => socket.destroy());
  process.nextTick(() => plain.uncork());
  await once(socket, 'secureConnect');
  expect(await get(socket)).toContain('"x-forwarded-for":"192.0.2.9"');
});
