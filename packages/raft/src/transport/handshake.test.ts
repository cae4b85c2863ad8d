/** Who is let in: wrong secrets, clusters, versions and identities are refused by name; strangers cost little. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { ByteWriter } from '../codec/bytes.ts';
import type { RaftLogger } from '../driver/ports.ts';
import { silentLogger } from '../driver/system.ts';
import { introduce, isUp, station } from '../testing/transport-suite.ts';
import type { Station } from '../testing/transport-suite.ts';
import { FrameType, writeFrame } from './framing.ts';
import { NONCE_BYTES, writeHello } from './handshake.ts';
import type { Hello } from './handshake.ts';
import type { TcpTransportOptions } from './options.ts';
import { TcpTransport } from './tcp-transport.ts';

const opened: TcpTransport[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((transport) => transport.close()));
});

/** A station whose refusals are collected by code. */
async function node(
  replica: string,
  options: Partial<TcpTransportOptions> = {},
): Promise<Station & { codes: string[] }> {
  const codes: string[] = [];
  const logger: RaftLogger = {
    ...silentLogger,
    warn: (fields) => void codes.push(String((fields as { code?: string }).code)),
  };
  const transport = new TcpTransport({
    listen: { host: '127.0.0.1', port: 0 },
    clusterName: 'test',
    clusterId: 'c1',
    replica,
    secret: 'the right secret',
    logger,
    ...options,
  });
  opened.push(transport);
  await transport.listen();
  const address = { replica, host: '127.0.0.1', port: transport.port };
  const one = await station(
    { create: () => Promise.resolve({ transport, address }), destroy: () => Promise.resolve() },
    replica,
  );
  return Object.assign(one, { codes });
}

/** Both know each other's address; whether they get on is the question. */
function meet(a: Station, b: Station): void {
  a.transport.setPeers([b.address]);
  b.transport.setPeers([a.address]);
}

/** The first frame of a peer, written by hand. */
function helloOf(given: Partial<Hello>): Buffer {
  const writer = new ByteWriter();
  const plain = { versionMin: 1, versionMax: 1, channel: 'control', clusterName: 'test', clusterId: 'c1' } as const;
  const own = { from: 'n2#b', to: '', session: 's', features: 0, confIndex: 0, host: '', port: 0 };
  const hello = { ...plain, ...own, nonce: new Uint8Array(NONCE_BYTES) };
  writeFrame(writer, FrameType.hello, (frame) => writeHello(frame, { ...hello, ...given }));
  return writer.done();
}

describe('refusals', () => {
  const cases: readonly [string, Partial<TcpTransportOptions>, string][] = [
    ['another secret', { secret: 'the wrong secret' }, 'BAD_SECRET'],
    ['another cluster name', { clusterName: 'other' }, 'WRONG_CLUSTER'],
    ['another cluster id', { clusterId: 'c2' }, 'WRONG_CLUSTER'],
  ];
  for (const [name, options, code] of cases) {
    test(`${name} is ${code}, on both sides, once in the log`, async () => {
      const [a, b] = [await node('n1#a'), await node('n2#b', options)];
      meet(a, b);
      await waitFor('both refusals', () => a.codes.includes(code) && b.codes.includes(code));
      expect(a.links).toEqual([]);
      expect(b.links).toEqual([]);
      // In and out, each once, however often it is tried again.
      expect(a.codes.length).toBeLessThanOrEqual(3);
    });
  }

  test('a replica that is not in the address book is NOT_MEMBER', async () => {
    const [a, b] = [await node('n1#a'), await node('n2#b')];
    b.transport.setPeers([a.address]);
    await waitFor('the refusal', () => a.codes.includes('NOT_MEMBER') && b.codes.includes('NOT_MEMBER'));
    expect(b.links).toEqual([]);
  });

  test('who is refused again and again is one line in the log', async () => {
    let refusedCount = 0;
    const [a, b] = [
      await node('n1#a', { metrics: { connectionRefused: () => void (refusedCount += 1) } }),
      await node('n2#b'),
    ];
    b.transport.setPeers([a.address]);
    await waitFor('several refusals', () => refusedCount >= 6);
    expect(a.codes).toEqual(['NOT_MEMBER']);
  });

  test('a member of a later membership is taken in and answered, until that membership is known here', async () => {
    const [a, b] = [await node('n1#a'), await node('n2#b')];
    a.transport.setPeers([], 5);
    b.transport.setPeers([a.address], 9);
    await waitFor('links both ways', () => isUp(a, 'n2#b') && isUp(b, 'n1#a'));
    a.transport.setPeers([], 8);
    expect(isUp(a, 'n2#b')).toBe(true);
    a.transport.setPeers([], 9);
    await waitFor('the refusal', () => b.codes.includes('NOT_MEMBER'));
    expect(isUp(a, 'n2#b')).toBe(false);
  });

  test('a member that was removed knows of no later membership and stays out', async () => {
    const [a, b] = [await node('n1#a'), await node('n2#b')];
    a.transport.setPeers([], 9);
    b.transport.setPeers([a.address], 5);
    await waitFor('the refusal', () => b.codes.includes('NOT_MEMBER'));
    expect(b.links).toEqual([]);
  });

  test('another incarnation at an address is WRONG_PEER', async () => {
    const [a, b] = [await node('n1#a'), await node('n2#new')];
    a.transport.setPeers([{ ...b.address, replica: 'n2#old' }]);
    await waitFor('the refusal', () => a.codes.includes('WRONG_PEER'));
    expect(a.links).toEqual([]);
  });

  test('a second process with the same identity is IDENTITY_IN_USE while the first lives', async () => {
    const [a, b] = [await node('n1#a'), await node('n2#b')];
    await introduce(a, b);
    const copy = await node('n2#b');
    copy.transport.setPeers([a.address]);
    await waitFor('the refusal', () => a.codes.includes('IDENTITY_IN_USE'));
    expect(isUp(copy, 'n1#a')).toBe(false);
    await b.transport.close();
    await waitFor('the copy to be taken', () => isUp(copy, 'n1#a'));
  });

  test('no common version is VERSION', async () => {
    const a = await node('n1#a');
    const answer = await exchange(a.address.port, helloOf({ versionMin: 98, versionMax: 99 }));
    expect(answer.toString('latin1')).toContain('VERSION');
    expect(a.codes).toEqual(['VERSION']);
  });

  test('who cannot prove the secret learns nothing, not even with a replayed proof', async () => {
    const a = await node('n1#a');
    const hello = new ByteWriter();
    hello.raw(helloOf({ channel: 'formation', clusterId: '' }));
    writeFrame(hello, FrameType.auth, (writer) => writer.raw(new Uint8Array(32)));
    const answer = await exchange(a.address.port, hello.done());
    expect(answer.toString('latin1')).toContain('BAD_SECRET');
  });
});

/** Sends bytes, answers everything that comes back until the other side closes. */
function exchange(port: number, bytes: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(bytes));
    socket.on('data', (part: Buffer) => parts.push(part));
    socket.on('error', reject);
    socket.on('close', () => resolve(Buffer.concat(parts)));
  });
}

describe('strangers', () => {
  test('garbage is cut off at its first bytes, and peers notice nothing', async () => {
    const [a, b] = [await node('n1#a'), await node('n2#b')];
    await introduce(a, b);
    const garbage = Buffer.alloc(4_000_000, 0xa5);
    const before = process.memoryUsage().arrayBuffers;
    for (let round = 0; round < 25; round++) {
      await new Promise<void>((resolve) => {
        const socket = connect({ host: '127.0.0.1', port: a.address.port }, () => socket.write(garbage));
        socket.on('error', () => undefined);
        socket.on('close', () => resolve());
      });
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100_000_000);
    // Once, although each came from another port.
    expect(a.codes.filter((code) => code === 'PROTOCOL')).toHaveLength(1);
    b.transport.send('n1#a', { type: 'timeout-now', term: 3 }, 'control');
    await waitFor('a message', () => a.messages.length > 0);
    expect(isUp(a, 'n2#b') && isUp(b, 'n1#a')).toBe(true);
    expect(a.links.filter((line) => line.startsWith('down'))).toEqual([]);
  });

  test('connections that say nothing are bounded in number', async () => {
    const [a, b] = [await node('n1#a'), await node('n2#b')];
    const idle = Array.from({ length: 200 }, () => connect({ host: '127.0.0.1', port: a.address.port }));
    let closed = 0;
    for (const socket of idle) {
      socket.on('error', () => undefined);
      socket.on('close', () => closed++);
    }
    await waitFor('the surplus to be closed', () => closed >= 72);
    expect(closed).toBeLessThan(200);
    for (const socket of idle) socket.destroy();
    await introduce(a, b);
  });

  test('who is refused and does not hang up is hung up on: its socket is not kept open for ever', async () => {
    const a = await node('n1#a');
    const socket = connect({ host: '127.0.0.1', port: a.address.port, allowHalfOpen: true });
    let reset = false;
    socket.on('error', () => (reset = true)).resume();
    socket.write(helloOf({ clusterName: 'other' }));
    await once(socket, 'end');
    await waitFor('the reset', () => {
      if (!reset) socket.write('still here');
      return reset;
    });
  });
});

describe('links', () => {
  test('a slow reader costs a bounded queue, and messages are dropped, not kept', async () => {
    const dropped: string[] = [];
    const metrics = { messageDropped: (lane: string, reason: string) => void dropped.push(`${lane} ${reason}`) };
    const [a, b] = [await node('n1#a', { metrics }), await node('n2#b')];
    await introduce(a, b);
    const big = { seq: 1, data: Buffer.alloc(900_000) };
    // Nothing is read within one turn of the loop: to the sender the receiver does not read.
    for (let i = 0; i < 40; i++) a.transport.send('n2#b', { type: 'forward', term: 1, proposals: [big] }, 'bulk');
    expect(dropped.filter((line) => line === 'bulk full').length).toBeGreaterThan(10);
    await waitFor('what was taken', () => b.messages.length >= 40 - dropped.length);
    a.transport.send('n2#b', { type: 'timeout-now', term: 2 }, 'bulk');
    await waitFor('the next one', () => b.messages.at(-1)?.message.type === 'timeout-now');
  });

  test('a peer that restarts is linked again soon', async () => {
    const [a, b] = [await node('n1#a'), await node('n2#b')];
    await introduce(a, b);
    const port = b.address.port;
    await b.transport.close();
    await waitFor('the loss', () => a.links.includes('down n2#b reset'));
    const again = await node('n2#b', { listen: { host: '127.0.0.1', port } });
    again.transport.setPeers([a.address]);
    await waitFor('both links', () => isUp(a, 'n2#b') && isUp(again, 'n1#a'));
    await turn();
    again.transport.send('n1#a', { type: 'timeout-now', term: 9 }, 'control');
    const heard = await waitFor('a message', () => a.messages.find(({ message }) => message.term === 9));
    expect(heard.from).toBe('n2#b');
  });
});
