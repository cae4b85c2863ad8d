/** Raw streams through real proxy threads: echo with backpressure, half-close, retries, SNI passthrough, PROXY in and out, UDP, limits. */
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import type { ListenerSpec, PoolSpec } from '@flotilla/shared';
import { freePorts, waitFor } from '@flotilla/shared/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { TestAuthority } from '../testing/certificates.ts';
import { startProxyThreads } from '../testing/proxy-threads.ts';
import type { TestProxyThreads } from '../testing/proxy-threads.ts';
import { backendSpec, listenerSpec, poolSpec, routeTo, routingSnapshot } from '../testing/snapshots.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function listening(onSocket: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    cleanups.push(() => socket.destroy());
    onSocket(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

const echo = (): Promise<number> => listening((socket) => socket.pipe(socket));

async function start(
  ports: readonly number[],
  settings: { listener?: Partial<ListenerSpec>; pool?: Partial<PoolSpec>; threads?: number } = {},
): Promise<{ threads: TestProxyThreads; port: number }> {
  const threads = startProxyThreads({ count: settings.threads ?? 1 });
  cleanups.push(() => threads.close());
  const [port = 0] = await freePorts(1);
  const backends = ports.map((backendPort, slot) => backendSpec(`b${slot + 1}`, { port: backendPort, slot }));
  const snapshot = routingSnapshot({
    listeners: [listenerSpec('raw', { port, protocol: 'tcp', routes: [routeTo('app')], ...settings.listener })],
    pools: [poolSpec('app', { backends, ...settings.pool })],
  });
  await threads.follow(snapshot);
  return { threads, port };
}

async function dial(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {});
  cleanups.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Resolves when the proxy has ended the connection, by FIN or by reset. */
async function ended(socket: Socket): Promise<void> {
  socket.resume();
  await new Promise<void>((resolve) => {
    socket.once('end', resolve);
    socket.once('close', () => resolve());
  });
}

async function readAll(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => parts.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(parts);
}

async function errorsOf(threads: TestProxyThreads): Promise<string[]> {
  return (await threads.threads[0]!.stats()).errors.map(([, reason]) => reason);
}

describe('tcp', () => {
  test('32 MiB there and back, through a half-close, byte for byte', async () => {
    const { port } = await start([await echo()]);
    const socket = await dial(port);
    const sent = randomBytes(32 * 1024 * 1024);
    const received = readAll(socket);
    socket.end(sent);
    expect(
      createHash('sha256')
        .update(await received)
        .digest('hex'),
    ).toBe(createHash('sha256').update(sent).digest('hex'));
  });

  test('a backend that says its last word first gets all that comes after it, however late it reads', async () => {
    // Of which of them a part is with the proxy and not with the kernel depends on the machine.
    const lengths = Array.from({ length: 32 }, (_, at) => (at + 1) * 200_000);
    const backends: Socket[] = [];
    const { port } = await start([
      await listening((socket) => {
        socket.pause();
        socket.end('bye');
        backends.push(socket);
      }),
    ]);
    const clients = await Promise.all(lengths.map(() => dial(port)));
    await Promise.all(clients.map((client) => ended(client)));
    clients.forEach((client, at) => client.end(Buffer.alloc(lengths[at] ?? 0, 'x')));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const received = await Promise.all(
      backends.map(async (socket) => {
        let bytes = 0;
        socket.on('data', (chunk: Buffer) => (bytes += chunk.length));
        await ended(socket);
        return bytes;
      }),
    );
    expect(received.toSorted((a, b) => a - b)).toEqual(lengths);
  });

  test('a reader that stops stops the sender, at a bounded amount', async () => {
    let accepted = 0;
    const source = await listening((socket) => {
      const chunk = Buffer.alloc(65_536);
      const more = (): void => {
        do accepted += chunk.length;
        while (socket.write(chunk));
      };
      socket.on('drain', more);
      more();
    });
    const { port } = await start([source]);
    const socket = await dial(port);
    socket.pause();
    let last = -1;
    await waitFor(
      'the source to stand still',
      () => {
        const still = accepted === last;
        last = accepted;
        return still && accepted > 0;
      },
      { everyMs: 300 },
    );
    expect(accepted).toBeLessThan(32 * 1024 * 1024);
    socket.resume();
    await waitFor('the source to go on', () => accepted > last + 8 * 1024 * 1024);
  });

  test('a backend that refuses is passed over, and the next one gets the stream', async () => {
    const [closed = 0] = await freePorts(1);
    const { threads, port } = await start([closed, await echo()]);
    for (let attempt = 0; attempt < 4; attempt++) {
      const socket = await dial(port);
      socket.end('hello');
      expect((await readAll(socket)).toString()).toBe('hello');
    }
    expect(await errorsOf(threads)).toEqual([]);
    // Refused once; suspected after that.
    expect((await threads.threads[0]!.stats()).retries).toEqual([['app', 'connect-failure', 1]]);
    await waitFor('nothing in flight', () =>
      new Int32Array(threads.memory.inFlight).slice(0, 2).every((count) => count === 0),
    );
  });

  test('no backend at all closes the stream and counts it', async () => {
    const [closed = 0] = await freePorts(1);
    const { threads, port } = await start([closed]);
    await ended(await dial(port));
    expect(await errorsOf(threads)).toEqual(['no-backend']);
  });

  test('a stream that is idle for too long ends', async () => {
    const timeouts = { headerMs: 100, idleMs: 100, requestMs: 100, tunnelMs: 100, udpIdleMs: 100 };
    const { threads, port } = await start([await echo()], { listener: { timeouts } });
    await ended(await dial(port));
    expect(await errorsOf(threads)).toEqual(['stream-idle-timeout']);
  });

  test('least connections counts the streams of all threads', async () => {
    const { threads, port } = await start([await echo(), await echo()], {
      pool: { algorithm: 'least-connections' },
      threads: 2,
    });
    for (let count = 0; count < 24; count++) {
      const socket = await dial(port);
      socket.write('x');
      await once(socket, 'data');
    }
    const inFlight = new Int32Array(threads.memory.inFlight);
    expect([inFlight[0], inFlight[1]]).toEqual([12, 12]);
    expect(Math.min(...new Int32Array(threads.memory.connections))).toBeGreaterThan(0);
  });
});

describe('limits', () => {
  test('connections of a listener', async () => {
    const { threads, port } = await start([await echo()], { listener: { maxConnections: 2 } });
    const [first] = [await dial(port), await dial(port)];
    await waitFor('both', () => new Int32Array(threads.memory.connections)[0] === 2);
    await ended(await dial(port));
    expect(await errorsOf(threads)).toEqual(['max-connections']);
    first.destroy();
    await waitFor('a free place', () => new Int32Array(threads.memory.connections)[0] === 1);
    const next = await dial(port);
    next.write('x');
    expect(String((await once(next, 'data'))[0])).toBe('x');
  });

  test('connections of a client', async () => {
    const { threads, port } = await start([await echo()], { listener: { maxConnectionsPerClient: 1 } });
    const first = await dial(port);
    first.write('x');
    await once(first, 'data');
    await ended(await dial(port));
    expect(await errorsOf(threads)).toEqual(['max-connections-per-client']);
  });

  test('connections of a client: the /64 of an IPv6 address is one, the next one another', async () => {
    const listener = { maxConnectionsPerClient: 1, proxyProtocol: { accept: true, trusted: ['127.0.0.0/8'] } };
    const { threads, port } = await start([await echo()], { listener });
    const from = async (ip: string): Promise<Socket> => {
      const socket = await dial(port);
      socket.write(`PROXY TCP6 ${ip} ::1 1 2\r\nx`);
      return socket;
    };
    await once(await from('2001:db8:0:1::1'), 'data');
    await ended(await from('2001:db8:0:1:ffff::2'));
    await once(await from('2001:db8:0:2::1'), 'data');
    expect(await errorsOf(threads)).toEqual(['max-connections-per-client']);
  });

  test('age ends a stream', async () => {
    const { threads, port } = await start([await echo()], { listener: { maxConnectionAgeMs: 100 } });
    await ended(await dial(port));
    expect(await errorsOf(threads)).toEqual(['connection-age']);
  });
});

describe('the PROXY protocol', () => {
  const proxyProtocol = { accept: true, trusted: ['127.0.0.0/8'] };

  test.each(['v1', 'v2'] as const)('in and out again as %s: the backend sees the first client', async (version) => {
    const { port } = await start([await echo()], {
      listener: { proxyProtocol },
      pool: { upstream: { ...poolSpec('x').upstream, proxyProtocol: version } },
    });
    const socket = await dial(port);
    const received = readAll(socket);
    // In one piece with the first bytes, which must not be lost.
    socket.end('PROXY TCP4 192.0.2.1 198.51.100.2 1000 443\r\nhello');
    const text = (await received).toString('latin1');
    expect(text.endsWith('hello')).toBe(true);
    expect(
      text.startsWith(version === 'v1' ? 'PROXY TCP4 192.0.2.1 198.51.100.2 1000 443\r\n' : '\r\n\r\n\0\r\nQUIT\n'),
    ).toBe(true);
  });

  test('version 2 passes on what the first proxy knows of the client, without the checksum over its own header', async () => {
    const { port } = await start([await echo()], {
      listener: { proxyProtocol },
      pool: { upstream: { ...poolSpec('x').upstream, proxyProtocol: 'v2' } },
    });
    const socket = await dial(port);
    const received = readAll(socket);
    const ends = [192, 0, 2, 1, 198, 51, 100, 2, 3, 232, 1, 187];
    const serverName = [0x02, 0, 1, 0x61];
    const checksum = [0x03, 0, 4, 1, 2, 3, 4];
    const header = (extensions: number[]): Buffer =>
      Buffer.concat([
        Buffer.from('\r\n\r\n\0\r\nQUIT\n\x21\x11', 'latin1'),
        Buffer.from([0, ends.length + extensions.length, ...ends, ...extensions]),
      ]);
    socket.end(Buffer.concat([header([...checksum, ...serverName]), Buffer.from('hello')]));
    expect(await received).toEqual(Buffer.concat([header(serverName), Buffer.from('hello')]));
  });

  test('a trusted peer without a header is refused', async () => {
    const { threads, port } = await start([await echo()], { listener: { proxyProtocol } });
    const socket = await dial(port);
    socket.write('GET / HTTP/1.1\r\n');
    await ended(socket);
    expect(await errorsOf(threads)).toEqual(['proxy-header-malformed']);
  });

  test('from a stranger it is not a header but bytes', async () => {
    const listener = { proxyProtocol: { accept: true, trusted: ['192.0.2.0/24'] } };
    const { port } = await start([await echo()], { listener });
    const socket = await dial(port);
    const received = readAll(socket);
    socket.end('PROXY UNKNOWN\r\n');
    expect((await received).toString()).toBe('PROXY UNKNOWN\r\n');
  });
});

test('tls passes through by server name, end to end', async () => {
  const authority = await TestAuthority.create();
  const secure = async (name: string): Promise<number> => {
    const { certPem, keyPem } = await authority.issue(name);
    const server = createTlsServer({ cert: certPem, key: keyPem }, (socket) => {
      socket.on('error', () => {});
      socket.end(name);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => server.close());
    return (server.address() as AddressInfo).port;
  };
  const threads = startProxyThreads();
  cleanups.push(() => threads.close());
  const [port = 0] = await freePorts(1);
  const pools = [
    poolSpec('one', { backends: [backendSpec('b1', { port: await secure('one.example.com') })] }),
    poolSpec('two', { backends: [backendSpec('b1', { port: await secure('a.two.example.com'), slot: 1 })] }),
  ];
  const routes = [routeTo('one', { sni: 'one.example.com' }), routeTo('two', { sni: '*.two.example.com' })];
  await threads.follow(routingSnapshot({ listeners: [listenerSpec('sni', { port, protocol: 'tls', routes })], pools }));
  const ask = async (servername: string): Promise<string> => {
    const socket = connectTls({ host: '127.0.0.1', port, servername, ca: authority.certPem });
    cleanups.push(() => socket.destroy());
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    return chunk.toString();
  };
  expect(await ask('one.example.com')).toBe('one.example.com');
  expect(await ask('a.two.example.com')).toBe('a.two.example.com');
  await expect(ask('three.example.com')).rejects.toThrow();
});

/** What a thread sent toward its access log. */
function accessLines(threads: TestProxyThreads): Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = [];
  threads.threads[0]!.worker.on('message', ({ type, text }: { type: string; text: string }) => {
    if (type !== 'access-log') return;
    for (const line of text.trimEnd().split('\n')) lines.push((JSON.parse(line) as { access: object }).access as never);
  });
  return lines;
}

test('a stream has its line in the access log, also one that found no backend', async () => {
  const listener = { accessLog: { sampleRatio: 1 } };
  const { threads, port } = await start([await echo()], { listener });
  const lines = accessLines(threads);
  const socket = await dial(port);
  const received = readAll(socket);
  socket.end('hello');
  await received;
  await waitFor('its line', () => lines.length > 0);
  const stream = { listener: 'raw', client: '127.0.0.1', protocol: 'tcp', serverName: '', status: 0 };
  expect(lines[0]).toMatchObject({ ...stream, reason: '', pool: 'app', backend: 'b1', bytesIn: 5, bytesOut: 5 });
  const lost = await start([], { listener });
  const ofLost = accessLines(lost.threads);
  await ended(await dial(lost.port));
  await waitFor('its line', () => ofLost.length > 0);
  expect(ofLost[0]).toMatchObject({ ...stream, reason: 'no-backend', backend: '', bytesIn: 0, bytesOut: 0 });
});

test('udp: each client has its session, its backend, and an end', async () => {
  const backend = async (name: string): Promise<number> => {
    const socket = createSocket('udp4');
    socket.on('message', (message, from) => socket.send(`${name}:${message.toString()}`, from.port, from.address));
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    cleanups.push(() => socket.close());
    return socket.address().port;
  };
  const timeouts = { headerMs: 100, idleMs: 100, requestMs: 100, tunnelMs: 100, udpIdleMs: 300 };
  const { threads, port } = await start([await backend('one'), await backend('two')], {
    listener: { protocol: 'udp', timeouts, accessLog: { sampleRatio: 1 } },
  });
  const lines = accessLines(threads);
  const client = createSocket('udp4');
  cleanups.push(() => client.close());
  const ask = async (text: string): Promise<string> => {
    client.send(text, port, '127.0.0.1');
    const [answer] = (await once(client, 'message')) as [Buffer];
    return answer.toString();
  };
  const first = await ask('a');
  expect(await ask('b')).toBe(`${first.slice(0, 3)}:b`);
  expect((await threads.threads[0]!.stats()).connections).toEqual([['raw', 1]]);
  await waitFor('the session to end', async () => (await threads.threads[0]!.stats()).connections[0]?.[1] === 0);
  expect(new Int32Array(threads.memory.inFlight).slice(0, 2)).toEqual(new Int32Array([0, 0]));
  await waitFor('its line', () => lines.length > 0);
  expect(lines).toEqual([
    expect.objectContaining({
      protocol: 'udp',
      client: '127.0.0.1',
      backend: expect.stringMatching(/^b[12]$/),
      bytesIn: 2,
    }),
  ]);
});
