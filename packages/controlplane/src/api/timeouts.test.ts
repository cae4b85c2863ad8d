/**
 * One timer for a connection: it ends one that rests, and none on which something moves.
 */
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { apiIdleMs } from '../limits.ts';
import { limitTimes } from './timeouts.ts';

const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

let server: Server;
let accepted: Socket;
beforeEach(async () => {
  server = createServer((_request, response) => response.end('answer;'));
  limitTimes(server);
  server.on('connection', (socket) => (accepted = socket));
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

interface Client {
  readonly socket: Socket;
  /** How often it was answered. */
  readonly answers: () => number;
  readonly closed: () => boolean;
}

function client(): Client {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').setEncoding('utf8');
  let text = '';
  socket.on('data', (data: string) => (text += data));
  return { socket, answers: () => text.split('answer;').length - 1, closed: () => socket.destroyed };
}

it('is set once, and tells clients less than it is', async () => {
  const { socket, answers } = client();
  socket.write(REQUEST);
  await expect.poll(answers).toBe(1);
  expect(accepted.timeout).toBe(apiIdleMs);
  expect(server.keepAliveTimeout).toBeLessThan(apiIdleMs);
  socket.write(REQUEST + REQUEST);
  await expect.poll(answers).toBe(3);
  expect(accepted.timeout).toBe(apiIdleMs);
});

it('closes a connection that rests, before and after answers, and not one on which something moves', async () => {
  server.timeout = 200;
  server.keepAliveTimeout = 150;
  server.keepAliveTimeoutBuffer = 50;
  const [silent, busy] = [client(), client()];
  let asked = 0;
  const sinceMs = performance.now();
  while (performance.now() - sinceMs < 500) {
    busy.socket.write(REQUEST);
    asked += 1;
    await expect.poll(busy.answers).toBe(asked);
  }
  expect(busy.closed()).toBe(false);
  await expect.poll(silent.closed).toBe(true);
  await expect.poll(busy.closed).toBe(true);
});
