/** dig through a real node: DNS over UDP and, on the same name server, over TCP. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Edge } from './edge.ts';
import { has, run } from './tools.ts';

const HEADER_BYTES = 12;
const ANSWERED = 0x8580;
const A_RECORD = [0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4];

/** Any question is answered with one address of one name server. */
function answerTo(query: Buffer, address: readonly number[]): Buffer {
  let end = HEADER_BYTES;
  while ((query[end] ?? 0) !== 0) end += 1 + (query[end] ?? 0);
  const question = query.subarray(HEADER_BYTES, end + 5);
  const header = Buffer.from([...query.subarray(0, 2), ANSWERED >> 8, ANSWERED & 0xff, 0, 1, 0, 1, 0, 0, 0, 0]);
  return Buffer.concat([header, question, Buffer.from([...A_RECORD, ...address])]);
}

describe.skipIf(!has('dig'))('dig', () => {
  const closers: (() => unknown)[] = [];
  let edge: Edge;

  /** A name server on one port for both; answers 192.0.2.`last`. */
  async function nameServer(last: number): Promise<number> {
    const tcp = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.on('data', (chunk: Buffer) => {
        const answer = answerTo(chunk.subarray(2), [192, 0, 2, last]);
        socket.write(Buffer.concat([Buffer.from([answer.length >> 8, answer.length & 0xff]), answer]));
      });
    });
    tcp.listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    const { port } = tcp.address() as AddressInfo;
    const udp = createSocket('udp4');
    udp.on('message', (query, from) => udp.send(answerTo(query, [192, 0, 2, last]), from.port, from.address));
    udp.bind(port, '127.0.0.1');
    await once(udp, 'listening');
    closers.push(
      () => udp.close(),
      () => tcp.close(),
    );
    return port;
  }

  beforeAll(async () => {
    const ports = [await nameServer(1), await nameServer(2)];
    edge = await Edge.start({
      listeners: {
        udp: { protocol: 'udp' },
        sticky: { protocol: 'udp', routes: [{ pool: 'sticky' }] },
        tcp: { protocol: 'tcp' },
      },
      pools: { app: { ports }, sticky: { ports, pool: { affinity: { type: 'source-ip' } } } },
    });
  });
  afterAll(async () => {
    await edge?.[Symbol.asyncDispose]();
    for (const close of closers.splice(0)) close();
  });

  async function dig(listener: string, ...args: string[]): Promise<string> {
    const server = ['@127.0.0.1', '-p', String(edge.port(listener)), '+tries=1', '+time=5', '+short'];
    const { code, stdout } = await run('dig', [...server, ...args, 'www.example.com', 'A']);
    expect(code, stdout).toBe(0);
    return stdout.trim();
  }

  it('is answered over UDP, by every backend in turn', async () => {
    const answers = new Set<string>();
    for (let asked = 0; asked < 6; asked++) answers.add(await dig('udp'));
    expect(answers).toEqual(new Set(['192.0.2.1', '192.0.2.2']));
  });

  it('stays with one backend where its address is what counts', async () => {
    const answers = new Set<string>();
    for (let asked = 0; asked < 6; asked++) answers.add(await dig('sticky'));
    expect(answers.size).toBe(1);
  });

  it('is answered over TCP', async () => {
    expect(await dig('tcp', '+tcp')).toMatch(/^192\.0\.2\.[12]$/);
  });
});
