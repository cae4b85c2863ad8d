/** How connections end: at once where nothing can be lost, else only when the client has had its answer. */
import { expect, test } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { bed } from '../testing/http-bed.ts';
import { LINGER_MAX_MS } from '../limits.ts';
import { OK_RESPONSE, rawClient } from '../testing/raw-tcp.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n';

test('a client that says close is let go with its answer, before it says FIN', async () => {
  const { proxy, port } = await bed();
  const client = await rawClient(port);
  client.send(`${GET}Connection: close\r\n\r\n`);
  const answer = await client.toEnd();
  expect(answer).toMatch(/^HTTP\/1\.1 200 [^]*Connection: close\r\n/);
  expect(answer.endsWith(OK_RESPONSE.slice(OK_RESPONSE.indexOf('\r\n\r\n')))).toBe(true);
  await waitFor('the connection to be gone', () => proxy.connections.size === 0);
  expect(client.error).toBe(null);
  client.socket.destroy();
});

test('a client that sends more after it said close still gets the answer, not a reset', async () => {
  const { backend, proxy, port } = await bed();
  const client = await rawClient(port);
  client.send(`${GET}Connection: close\r\n\r\n${GET}\r\n${'x'.repeat(50_000)}`);
  expect(await client.toEnd()).toMatch(/^HTTP\/1\.1 200 [^]*Connection: close\r\n/);
  expect(client.error).toBe(null);
  // It lingers for the client's FIN.
  expect(proxy.connections.size).toBe(1);
  client.socket.end();
  await waitFor('the connection to be gone', () => proxy.connections.size === 0);
  expect(backend.received.match(/GET/g)).toHaveLength(1);
});

test('a client that sends all of a body that is too large before it reads gets the answer, not a reset', async () => {
  const { port } = await bed(() => OK_RESPONSE, { listener: { maxRequestBodyBytes: 1_000 } });
  const client = await rawClient(port);
  client.socket.pause();
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n');
  await new Promise<void>((resolve) => {
    client.socket.once('error', () => resolve());
    client.socket.write('x'.repeat(8_000_000), () => resolve());
  });
  client.socket.resume();
  expect(await client.toEnd()).toMatch(/^HTTP\/1\.1 413 [^]*X-Flotilla-Error: body-too-large/);
  expect(client.error).toBe(null);
  client.socket.destroy();
});

test('an answer that the client is slow to take arrives whole before the connection ends', async () => {
  const body = 'b'.repeat(3_000_000);
  const { port } = await bed(() => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  const client = await rawClient(port);
  client.socket.pause();
  client.send(`${GET}Connection: close\r\n\r\n`);
  client.socket.setTimeout(100, () => client.socket.resume());
  const answer = await client.toEnd();
  expect(answer.length - answer.indexOf('\r\n\r\n') - 4).toBe(body.length);
  client.socket.destroy();
});

test('a client that takes its last answer for longer than a connection lingers gets all of it', async () => {
  // Of which of them a part is with the proxy and not with the kernel depends on the machine: one step is what a proxy holds back.
  const lengths = Array.from({ length: 32 }, (_, at) => (at + 1) * 200_000);
  const { port } = await bed((_request, peer) => {
    const length = Number(/.*GET \/(\d+)/s.exec(peer.received)?.[1]);
    return `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n${'b'.repeat(length)}`;
  });
  const clients = await Promise.all(lengths.map(() => rawClient(port)));
  clients.forEach((client, at) => {
    client.socket.pause();
    client.send(`GET /${lengths[at]} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  });
  await new Promise((resolve) => setTimeout(resolve, LINGER_MAX_MS + 2_000));
  const taken = clients.map(async (client) => {
    client.socket.resume();
    const answer = await client.toEnd();
    client.socket.destroy();
    return answer.length - answer.indexOf('\r\n\r\n') - 4;
  });
  expect(await Promise.all(taken)).toEqual(lengths);
}, 60_000);
