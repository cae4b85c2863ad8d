/** What a writer hands over, in which order, and what it forgets. */
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { rawClient } from '../testing/raw-tcp.ts';
import type { RawPeer } from '../testing/raw-tcp.ts';
import { SocketWriter } from './socket-writer.ts';

const server = createServer({ allowHalfOpen: true });
let far: RawPeer;
let near: Socket;
let out: SocketWriter;

beforeEach(async () => {
  if (!server.listening) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  far = await rawClient((server.address() as AddressInfo).port);
  near = await accepted;
  near.on('error', () => {});
  out = new SocketWriter(near);
});

afterEach(() => {
  near.destroy();
  far.socket.destroy();
  server.unref();
});

test('small and large things of many flushes arrive in their order', async () => {
  const large = Buffer.alloc(100_000, 'L');
  out.text('one ');
  out.flush();
  out.bytes(large, 0, large.length);
  out.flush();
  out.text(' two');
  out.flush();
  out.copy(Buffer.from(' three'), 0, 6);
  out.end();
  expect(await far.toEnd()).toBe(`one ${large.toString()} two three`);
  expect(out.takeBytes()).toBe(100_014);
});

test('one turn is one write', async () => {
  for (let count = 0; count < 10; count++) {
    out.text(`${count}`);
    out.flush();
  }
  expect(near.bytesWritten).toBe(0);
  await far.contains('0123456789');
  expect(out.takeBytes()).toBe(10);
});

test('what was flushed is delivered whatever is forgotten after it', async () => {
  out.text('kept');
  out.flush();
  out.text(' forgotten');
  out.discard();
  expect(out.isEmpty).toBe(true);
  out.text(' kept');
  out.flush();
  out.text(' not flushed');
  await far.contains('kept kept');
  expect(out.takeBytes()).toBe(9);
  out.discard();
  out.end();
  expect(await far.toEnd()).toBe('kept kept');
});

test('more writers than one turn holds back are all served', async () => {
  const writers = Array.from({ length: 200 }, () => new SocketWriter(near));
  for (const [index, writer] of writers.entries()) {
    writer.text(`<${index}>`);
    writer.flush();
  }
  await waitFor('all', () => far.received.split('<').length === 201);
});

test('a socket that is gone is left alone', async () => {
  out.text('x');
  out.flush();
  near.destroy();
  await waitFor('its end', () => far.closed || far.ended);
  expect(far.received).toBe('');
});
