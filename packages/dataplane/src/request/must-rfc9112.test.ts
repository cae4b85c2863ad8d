/**
 * What an HTTP intermediary must do, by number of the project's list of 30: the rules of RFC 9112. Each refusal stands here with
 * its main forms; `http1/reject.test.ts` has all of them with their reasons.
 */
import { waitFor } from '@flotilla/shared/testing';
import { describe, expect, test } from 'vitest';
import { bed, CLOSE, get, response, through } from '../testing/http-bed.ts';
import { OK_RESPONSE, rawClient } from '../testing/raw-tcp.ts';

/** An answer of our own, the end of the connection, and nothing at the backend, whatever follows. */
async function isRefused(lines: string, status: number): Promise<void> {
  const { sent, got } = await through(`${lines}\r\n0\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n`);
  expect(got).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [^]*\r\nConnection: close\r\n`));
  expect(got.split('HTTP/1.1 ')).toHaveLength(2);
  expect(sent).toBe('');
}

describe('RFC 9112', () => {
  test('MUST 25: an absolute target replaces Host and goes on in origin form', async () => {
    const { sent } = await through(`GET http://b.example:81/x?y HTTP/1.1\r\nHost: a\r\n${CLOSE}\r\n`);
    expect(sent).toMatch(/^GET \/x\?y HTTP\/1\.1\r\nHost: b\.example:81\r\n/);
    expect(sent.match(/\r\nHost:/g)).toHaveLength(1);
    expect((await through(`GET http://b HTTP/1.1\r\nHost: a\r\n${CLOSE}\r\n`)).sent).toMatch(/^GET \/ HTTP/);
    expect((await through(`OPTIONS http://b HTTP/1.1\r\nHost: a\r\n${CLOSE}\r\n`)).sent).toMatch(/^OPTIONS \* HTTP/);
    expect((await through(`OPTIONS * HTTP/1.1\r\nHost: a\r\n${CLOSE}\r\n`)).sent).toMatch(/^OPTIONS \* HTTP/);
  });

  test.each([
    ['no Host', 'GET / HTTP/1.1\r\n'],
    ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n'],
    ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n'],
    ['a Host that is none', 'GET / HTTP/1.1\r\nHost: a/b@c\r\n'],
    ['authority form without CONNECT', 'GET a:443 HTTP/1.1\r\nHost: a\r\n'],
    ['asterisk form without OPTIONS', 'GET * HTTP/1.1\r\nHost: a\r\n'],
  ])('MUST 25: %s is 400', (_, lines) => isRefused(lines, 400));

  test.each([
    ['space before the first field', 'GET / HTTP/1.1\r\n X: a\r\nHost: a\r\n'],
    ['space before a colon', 'GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n'],
    ['a bare CR in the request line', 'GET /\r HTTP/1.1\r\nHost: a\r\n'],
    ['a bare CR in a field', 'GET / HTTP/1.1\r\nHost: a\rX: b\r\n'],
    ['a bare LF', 'GET / HTTP/1.1\nHost: a\n'],
  ])('MUST 26: %s is 400', (_, lines) => isRefused(lines, 400));

  test('MUST 26: in a response space before a colon is stripped', async () => {
    expect((await through(get(), response('X-A  : b\r\n'))).got).toContain('X-A: b\r\n');
  });

  test('MUST 27: a folded line is 400 in a request, 502 in a response', async () => {
    await isRefused('GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n', 400);
    expect((await through(get(), response('X-A: b\r\n c\r\n'))).got).toMatch(/^HTTP\/1\.1 502 /);
  });

  test.each([
    ['both lengths', 'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n', 400],
    ['chunked not last', 'Transfer-Encoding: chunked, gzip\r\n', 400],
    ['no chunked at all', 'Transfer-Encoding: gzip\r\n', 400],
    ['an unknown coding', 'Transfer-Encoding: sdch, chunked\r\n', 501],
    ['two lengths', 'Content-Length: 3\r\nContent-Length: 3\r\n', 400],
  ])('MUST 28: %s: a request is refused and its connection closed, a response is 502', async (_, fields, status) => {
    await isRefused(`POST / HTTP/1.1\r\nHost: a\r\n${fields}`, status);
    const { got } = await through(get(), `HTTP/1.1 200 OK\r\n${fields}\r\n0\r\n\r\n`);
    expect(got).toMatch(/^HTTP\/1\.1 502 /);
  });

  test('MUST 28: a coding in HTTP/1.0 is refused both ways', async () => {
    await isRefused('POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n', 400);
    const { got } = await through(get(), 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n');
    expect(got).toMatch(/^HTTP\/1\.1 502 /);
  });

  test('MUST 28: a response with an ambiguous end is none, and surplus bytes are never the next response', async () => {
    const both = await through(
      get(),
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    );
    expect(both.got).toMatch(/^HTTP\/1\.1 502 /);
    const { backend, port } = await bed((request) =>
      request === 0 ? `${OK_RESPONSE}HTTP/1.1 200 OK\r\nX-Evil: 1\r\nContent-Length: 0\r\n\r\n` : OK_RESPONSE,
    );
    const client = await rawClient(port);
    client.send('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.contains('\r\n\r\nok');
    client.send(get());
    expect(await client.toEnd()).not.toContain('X-Evil');
    expect(backend.peers).toHaveLength(2);
  });

  test('MUST 29: chunk extensions are read past and dropped', async () => {
    const { sent } = await through(
      `POST / HTTP/1.1\r\nHost: a\r\n${CLOSE}Transfer-Encoding: chunked\r\n\r\n3;x="y"\r\nabc\r\n0;z\r\n\r\n`,
    );
    expect(sent.endsWith('\r\n\r\n3\r\nabc\r\n0\r\n\r\n')).toBe(true);
  });

  test.each(['0x3', '+3', '-3', ' 3', '3 ', '1_0', 'fffffffffffffffff', '', '3;a\nb', '3\n', '3\r'])(
    'MUST 29: %j is no chunk size, in either direction',
    async (size) => {
      const chunks = `${size}\r\nabc\r\n0\r\n\r\n`;
      const { sent, got } = await through(
        `POST / HTTP/1.1\r\nHost: a\r\n${CLOSE}Transfer-Encoding: chunked\r\n\r\n${chunks}`,
      );
      expect(got).toMatch(/^HTTP\/1\.1 400 /);
      expect(sent).not.toContain('\r\n0\r\n');
      const answered = await through(get(), `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`);
      expect(answered.got).not.toMatch(/\r\n0\r\n/);
    },
  );

  test('MUST 30: our own version both ways; HTTP/1.0 persists only where it asks and the length is known', async () => {
    const { sent, got } = await through('GET / HTTP/1.0\r\n\r\n', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok');
    expect(sent).toMatch(/^GET \/ HTTP\/1\.1\r\nHost: 127\.0\.0\.1:\d+\r\n/);
    expect(got).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n/);
    const { port } = await bed();
    const client = await rawClient(port);
    client.send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    await client.contains('Connection: keep-alive\r\n\r\nok');
    client.send('GET / HTTP/1.0\r\n\r\n');
    expect((await client.toEnd()).match(/200 OK/g)).toHaveLength(2);
  });

  test('MUST 30: the last answer survives bytes that nobody asked for', async () => {
    const { port } = await bed();
    const client = await rawClient(port);
    client.send('GET / HTTP/1.0\r\nHost: a\r\n\r\n');
    await client.contains('\r\n\r\nok');
    // Were the connection closed with these unread, the kernel would send a reset, which may destroy the answer on its way.
    client.send('x'.repeat(100_000));
    expect(await client.toEnd()).toContain('\r\n\r\nok');
    client.socket.end();
    await waitFor('the orderly end', () => client.closed);
    expect(client.error).toBeNull();
  });
});
