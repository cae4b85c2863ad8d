/** Frames at random, on both sides of the proxy: no crash, no hang, nothing left in flight, and the proxy serves on. */
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import fc from 'fast-check';
import { waitFor } from '@flotilla/shared/testing';
import { afterEach, expect, it } from 'vitest';
import { bed, startProxy } from '../testing/http-bed.ts';
import { block, frame, getFields, headers, RawHttp2 } from '../testing/raw-http2.ts';
import { rawRequest } from '../testing/raw-tcp.ts';
import { FRAME } from './protocol.ts';

const RUNS = 150;
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const anyFrame = fc
  .record({
    type: fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 0, max: 9 }) }, fc.integer({ min: 10, max: 255 })),
    flags: fc.oneof(fc.constantFrom(0, 1, 4, 5, 8, 0x20, 0x2d), fc.nat(255)),
    streamId: fc.oneof(fc.constantFrom(0, 1, 3, 5), fc.nat(20)),
    payload: fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constant(new Uint8Array(4)), fc.constant(new Uint8Array(8))),
  })
  .map(({ type, flags, streamId, payload }) => frame(type, flags, streamId, Buffer.from(payload)));
const goodFrame = fc.constantFrom(
  headers(1, getFields()),
  headers(3, [[':method', 'POST'], ...getFields().slice(1)], 4),
  frame(FRAME.data, 0, 3, 'some'),
  frame(FRAME.data, 1, 3, 'more'),
  frame(FRAME.rstStream, 0, 3, Buffer.from([0, 0, 0, 8])),
  headers(1, [[':status', '200']], 4),
  headers(1, [[':status', '200']]),
  frame(FRAME.headers, 4, 1, block([[':status', '103']])),
  frame(FRAME.data, 1, 1, 'answer'),
);
const conversation = fc.array(fc.oneof(anyFrame, goodFrame, goodFrame), { maxLength: 12 });

it('from a client', async () => {
  const { port, proxy } = await bed();
  await fc.assert(
    fc.asyncProperty(conversation, async (frames) => {
      const client = await RawHttp2.connect(port);
      client.send(...frames);
      client.peer.socket.end();
      await waitFor('the end', () => client.peer.ended || client.peer.closed, { everyMs: 1 });
      client.close();
    }),
    { numRuns: RUNS },
  );
  await waitFor('nothing in flight', () => proxy.backend('app', 'b1').runtime.inFlight() === 0);
  expect(await rawRequest(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).toContain('200');
});

it('from a backend', async () => {
  let answer: Buffer = Buffer.alloc(0);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.write(frame(FRAME.settings, 0, 0));
    socket.on('data', (chunk) => {
      if (chunk.includes('x-forwarded-for')) socket.end(answer);
    });
  });
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy = await startProxy([(server.address() as AddressInfo).port], { upstream: { protocol: 'h2c' } });
  await fc.assert(
    fc.asyncProperty(conversation, async (frames) => {
      answer = Buffer.concat(frames);
      const text = await rawRequest(
        proxy.port,
        'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx',
      );
      // One answer at most, whole or cut, or a refusal of ours.
      expect(text.match(/^HTTP\/1\.1 (?!1)/gm)?.length ?? 0).toBeLessThanOrEqual(1);
    }),
    { numRuns: RUNS },
  );
  await waitFor('nothing in flight', () => proxy.backend('app', 'b1').runtime.inFlight() === 0);
});
