/** Clients and backends that are too slow, each cut by its own timeout. */
import { expect, test } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { bed } from '../testing/http-bed.ts';
import { OK_RESPONSE, rawClient } from '../testing/raw-tcp.ts';

const LONG_MS = 60_000;
const timeouts = (some: object) => ({
  listener: {
    timeouts: {
      headerMs: LONG_MS,
      idleMs: LONG_MS,
      requestMs: LONG_MS,
      tunnelMs: LONG_MS,
      udpIdleMs: LONG_MS,
      ...some,
    },
  },
});
const H = 'Host: a\r\n';

test('a head that does not come to its end: 408', async () => {
  const { backend, port } = await bed(undefined, timeouts({ headerMs: 60 }));
  const client = await rawClient(port);
  client.send(`GET / HTTP/1.1\r\n${H}`);
  const drip = setInterval(() => client.send('X: a\r\n'), 20);
  expect(await client.toEnd()).toMatch(/^HTTP\/1\.1 408 [^]*X-Flotilla-Error: client-timeout/);
  clearInterval(drip);
  expect(backend.received).toBe('');
});

test('a body that stops coming: 408, and the backend is dropped', async () => {
  const { backend, port } = await bed(() => null, timeouts({ headerMs: 60 }));
  const client = await rawClient(port);
  client.send(`POST / HTTP/1.1\r\n${H}Content-Length: 10\r\n\r\nabc`);
  expect(await client.toEnd()).toMatch(/^HTTP\/1\.1 408 /);
  const peer = await backend.peer();
  await waitFor('the backend to be dropped', () => peer.ended || peer.closed);
});

test('a request as a whole: 504', async () => {
  const { port } = await bed(() => null, timeouts({ requestMs: 60 }));
  const client = await rawClient(port);
  client.send(`GET / HTTP/1.1\r\n${H}\r\n`);
  await client.contains('\r\n\r\n{');
  expect(client.received).toMatch(/^HTTP\/1\.1 504 [^]*X-Flotilla-Error: upstream-timeout/);
});

test('a connection without requests ends silently', async () => {
  const { port } = await bed(undefined, timeouts({ idleMs: 60 }));
  const fresh = await rawClient(port);
  expect(await fresh.toEnd()).toBe('');
  const used = await rawClient(port);
  used.send(`GET / HTTP/1.1\r\n${H}\r\n`);
  expect(await used.toEnd()).toMatch(/\r\n\r\nok$/);
});

test('a response that stops within its body is cut', async () => {
  const { port } = await bed(() => 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc', timeouts({ idleMs: 60 }));
  const client = await rawClient(port);
  client.send(`GET / HTTP/1.1\r\n${H}\r\n`);
  await waitFor('the cut', () => client.closed);
  expect(client.received).toMatch(/abc$/);
});

test('a quiet tunnel ends', async () => {
  const { backend, port } = await bed(
    () => 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
    timeouts({ tunnelMs: 60 }),
  );
  const client = await rawClient(port);
  client.send(`GET / HTTP/1.1\r\n${H}Connection: Upgrade\r\nUpgrade: x\r\n\r\n`);
  await client.contains('101');
  expect(await client.toEnd()).toMatch(/^HTTP\/1\.1 101 /);
  const peer = await backend.peer();
  await waitFor('its end at the backend', () => peer.ended || peer.closed);
});

test('a client that does not close after the last answer is closed', async () => {
  const { port, proxy } = await bed(() => OK_RESPONSE);
  const client = await rawClient(port);
  client.send(`GET / HTTP/1.1\r\n${H}Connection: close\r\n\r\n`);
  await client.toEnd();
  expect(client.received).toMatch(/ok$/);
  await waitFor('the connection to be gone', () => proxy.connections.size === 0);
});
