/** However the bytes of a connection are cut, the same requests come out of them. */
import { afterEach, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { bed } from '../testing/http-bed.ts';
import { frame, getFields, headers, RawHttp2 } from '../testing/raw-http2.ts';
import { rawClient } from '../testing/raw-tcp.ts';
import { FLAG, FRAME, PREFACE } from './protocol.ts';

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const post: (readonly [string, string])[] = [[':method', 'POST'], ...getFields(['x-a', 'v'.repeat(200)]).slice(1)];
const bytes = Buffer.concat([
  Buffer.from(PREFACE, 'latin1'),
  frame(FRAME.settings, 0, 0),
  headers(1, getFields()),
  headers(3, post, 0),
  frame(FRAME.continuation, FLAG.endHeaders, 3),
  frame(FRAME.data, FLAG.padded, 3, '\x03abc\0\0\0'),
  frame(FRAME.data, FLAG.endStream, 3, 'def'),
]);

it.each([1, 2, 5, 9, 13, 24, 25, 100, 10_000])('in pieces of %d bytes', async (size) => {
  const { port, backend } = await bed();
  const peer = await rawClient(port);
  const client = new RawHttp2(peer);
  closers.push(() => client.close());
  for (let at = 0; at < bytes.length; at += size) {
    peer.socket.write(bytes.subarray(at, at + size));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await waitFor('both answers', () => client.of(FRAME.headers).length === 2);
  expect(client.of(FRAME.headers).every((one) => one.payload[0] === 0x88)).toBe(true);
  const content = backend.received.replaceAll(/\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n/g, '<abcdef>');
  expect(content).toContain('<abcdef>');
  expect(backend.received).toMatch(/GET \/ HTTP\/1\.1\r\n/);
  expect(backend.received).toContain(`x-a: ${'v'.repeat(200)}\r\n`);
});
