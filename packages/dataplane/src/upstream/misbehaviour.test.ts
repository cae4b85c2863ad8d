/** Backends that break the rules: 502, their connection dropped, nothing of it taken for a response. */
import { describe, expect, test } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { bed } from '../testing/http-bed.ts';
import { rawClient, rawRequest } from '../testing/raw-tcp.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

const HEADS: readonly (readonly [string, string])[] = [
  ['no HTTP at all', 'SSH-2.0-OpenSSH\r\n'],
  ['HTTP/2', 'HTTP/2 200 OK\r\n\r\n'],
  ['status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
  ['status 999', 'HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n'],
  ['status 099', 'HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n'],
  ['bare LF', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
  ['bare CR', 'HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n'],
  ['folded line', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n'],
  ['NUL in a value', 'HTTP/1.1 200 OK\r\nX: a\0\r\nContent-Length: 0\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc'],
  ['list of lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab'],
  ['length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['unknown coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
  ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['chunks in 204', 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['bad chunk at once', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
  ['endless head', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(40_000)}\r\n\r\n`],
  ['endless fields', `HTTP/1.1 200 OK\r\n${'X: a\r\n'.repeat(300)}\r\n`],
  ['endless interim responses', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(100)],
];

describe('a response that is none', () => {
  test.each(HEADS)('%s', async (_, response) => {
    const { backend, port, proxy } = await bed(() => response);
    const got = await rawRequest(port, GET);
    expect(got).toMatch(/HTTP\/1\.1 502 Bad Gateway\r\n[^]*X-Flotilla-Error: upstream-invalid-response\r\n/);
    const peer = await backend.peer();
    await waitFor('the connection to be dropped', () => peer.ended || peer.closed);
    expect(proxy.backend('app', 'b1').runtime.inFlight()).toBe(0);
  });

  test.each([
    ['before a byte', ''],
    ['within the head', 'HTTP/1.1 200 OK\r\nContent-'],
  ])('the connection ends %s', async (_, response) => {
    const { port } = await bed((__, peer) => {
      peer.socket.end(response, 'latin1');
      return null;
    });
    expect(await rawRequest(port, GET)).toMatch(/^HTTP\/1\.1 502 [^]*X-Flotilla-Error: upstream-reset\r\n/);
  });
});

describe('a response that is cut', () => {
  test.each([
    ['by length', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc'],
    ['in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab'],
    ['before the last chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n'],
    ['by a bad chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n'],
  ])('%s: the client cannot take it for whole', async (_, response) => {
    const { backend, port } = await bed(() => response);
    const client = await rawClient(port);
    client.send(GET);
    await client.contains('ab');
    const peer = await backend.peer();
    if (_ === 'by a bad chunk') peer.send('x!\r\n');
    else peer.socket.end();
    await waitFor('a reset', () => client.error !== null || client.closed);
    expect(client.received).not.toContain('0\r\n\r\n');
    expect(client.received.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });
});

test('bytes on an idle connection close it; the next request gets another', async () => {
  const { backend, port, proxy } = await bed();
  const client = await rawClient(port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.contains('\r\n\r\nok');
  const first = await backend.peer();
  first.send('HTTP/1.1 200 OK\r\nX-Evil: 1\r\nContent-Length: 0\r\n\r\n');
  await waitFor('the connection to be dropped', () => first.ended || first.closed);
  client.send(GET);
  expect(await client.toEnd()).not.toContain('X-Evil');
  expect(backend.peers).toHaveLength(2);
  expect(proxy.backend('app', 'b1').runtime.inFlight()).toBe(0);
});

test.each([
  ['Connection: close', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'],
  ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
  ['a 204 that announces content', 'HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n'],
])('a connection is not used again after %s', async (_, response) => {
  const { backend, port } = await bed(() => response);
  await rawRequest(port, GET);
  await rawRequest(port, GET);
  expect(backend.peers).toHaveLength(2);
});
