/**
 * What an HTTP intermediary must do, by number of the list of 30 in the project's research (RFC 9110 and 9112). Numbers whose
 * rule is a refusal have their table in `http1/reject.test.ts` and stand here with one example each.
 */
import { describe, expect, test } from 'vitest';
import { bed } from '../testing/http-bed.ts';
import { OK_RESPONSE, rawClient, rawRequest } from '../testing/raw-tcp.ts';

const CLOSE = 'Connection: close\r\n';
const get = (fields = '', target = '/') => `GET ${target} HTTP/1.1\r\nHost: a\r\n${fields}${CLOSE}\r\n`;
const response = (fields: string, body = '') =>
  `HTTP/1.1 200 OK\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;

/** What the backend got and the client got back. */
async function through(request: string, answer = OK_RESPONSE): Promise<{ sent: string; got: string }> {
  const { backend, port } = await bed(() => answer);
  const got = await rawRequest(port, request);
  return { sent: backend.received, got };
}

describe('RFC 9110', () => {
  test('1: what Connection lists goes away, unless the message would be another one without it', async () => {
    const { sent, got } = await through(
      get('X-Drop: 1\r\nAuthorization: b\r\nX-Keep: 2\r\nConnection: X-Drop, Authorization, Host, X-Forwarded-For\r\n'),
      response('Connection: X-Internal\r\nX-Internal: 1\r\nX-Public: 2\r\n'),
    );
    expect(sent).not.toContain('X-Drop');
    expect(sent).toContain('X-Keep: 2\r\n');
    expect(sent).toContain('Host: a\r\n');
    expect(sent).toContain('Authorization: b\r\n');
    expect(sent).toContain('X-Forwarded-For: 127.0.0.1\r\n');
    expect(got).not.toContain('X-Internal');
    expect(got).toContain('X-Public: 2\r\n');
  });

  test('1: and so do trailers of that name', async () => {
    const { sent } = await through(
      `POST / HTTP/1.1\r\nHost: a\r\nConnection: X-T, close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-T: 1\r\nX-U: 2\r\n\r\n`,
    );
    expect(sent).toContain('0\r\nX-U: 2\r\n\r\n');
    expect(sent).not.toContain('X-T');
  });

  test('2: Keep-Alive, Proxy-Connection, TE, Upgrade and Transfer-Encoding are of one hop', async () => {
    const { sent, got } = await through(
      get(
        'Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\nUpgrade: foo\r\nHTTP2-Settings: x\r\n',
      ),
      response('Keep-Alive: timeout=5\r\nProxy-Connection: close\r\nUpgrade: h2c\r\n'),
    );
    for (const name of ['Keep-Alive', 'Proxy-Connection', 'TE:', 'Upgrade', 'HTTP2-Settings'])
      expect(sent).not.toContain(name);
    for (const name of ['Keep-Alive', 'Proxy-Connection', 'Upgrade']) expect(got).not.toContain(name);
  });

  test('3: Max-Forwards is counted down for TRACE and OPTIONS, answered at 0, and never invented', async () => {
    const down = await through(`OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 2\r\n${CLOSE}\r\n`);
    expect(down.sent).toContain('Max-Forwards: 1\r\n');
    const zero = await through(`OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n${CLOSE}\r\n`);
    expect(zero.sent).toBe('');
    expect(zero.got).toMatch(/^HTTP\/1\.1 200 [^]*\r\nAllow: /);
    expect((await through(get())).sent).not.toContain('Max-Forwards');
    expect((await through(get('Max-Forwards: 7\r\n'))).sent).toContain('Max-Forwards: 7\r\n');
  });

  test('4: Via is added after those that are there, with the version that the request came in', async () => {
    const { sent } = await through(get('Via: 1.0 other\r\n'));
    expect(sent).toMatch(/Via: 1\.0 other\r\n[^]*Via: 1\.1 flotilla\r\n/);
    const old = await through('GET / HTTP/1.0\r\nHost: a\r\n\r\n');
    expect(old.sent).toContain('Via: 1.0 flotilla\r\n');
  });

  test('5: a request that goes in circles ends', async () => {
    const { sent, got } = await through(get('Via: 1.1 flotilla, 1.1 flotilla\r\nVia: 1.1 flotilla, 1.1 flotilla\r\n'));
    expect(sent).toBe('');
    expect(got).toMatch(/^HTTP\/1\.1 502 [^]*X-Flotilla-Error: loop-detected/);
  });

  test('6: path and query are not touched', async () => {
    const target = '/a//b/../c;d=1/%2e%2E/?q=%20x&y=[1]|{}^';
    expect((await through(get('', target))).sent).toMatch(
      new RegExp(`^GET ${target.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')} HTTP/1\\.1\r\n`),
    );
  });

  test('7: nothing is transformed: bodies and their fields arrive as they were', async () => {
    const { got } = await through(
      get(),
      response('Cache-Control: no-transform\r\nContent-Encoding: gzip\r\nETag: "x"\r\n', '\x1f\x8b\0\xff'),
    );
    expect(got).toContain('Content-Encoding: gzip\r\nETag: "x"\r\nContent-Length: 4\r\n');
    expect(got.endsWith('\r\n\r\n\x1f\x8b\0\xff')).toBe(true);
  });

  test('8: Upgrade is forwarded only where Connection lists it, and not from HTTP/1.0', async () => {
    const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
    expect((await through(`GET / HTTP/1.1\r\nHost: a\r\n${upgrade}Connection: close\r\n\r\n`)).sent).toContain(
      'Upgrade: websocket\r\n',
    );
    expect((await through(get('Upgrade: websocket\r\n'))).sent).not.toContain('Upgrade');
    expect((await through(`GET / HTTP/1.0\r\nHost: a\r\n${upgrade}\r\n`)).sent).not.toContain('Upgrade');
  });

  test('9, 10: unknown fields go on, byte for byte and in order, also of the same name', async () => {
    const lines = 'x-LOWER: a, b\r\nX-Same: 1\r\nX-Other: \xe9\r\nX-Same: 2\r\n';
    const cookies = 'Set-Cookie: a=1\r\nX-Between: 1\r\nSet-Cookie: b=2\r\n';
    const { sent, got } = await through(get(lines), response(cookies));
    expect(sent).toContain(`Host: a\r\n${lines}`);
    expect(got).toContain(`200 OK\r\n${cookies}`);
  });

  test('11: CR, LF or NUL in a value is no request', async () => {
    const { sent, got } = await through(get('X: a\0b\r\n'));
    expect(got).toMatch(/^HTTP\/1\.1 400 /);
    expect(sent).toBe('');
  });

  test('12: trailers stay trailers, both ways, and may not say what the head decides', async () => {
    const chunked = (trailers: string) => `3\r\nabc\r\n0\r\n${trailers}\r\n`;
    const bad =
      'Content-Length: 5\r\nHost: b\r\nTransfer-Encoding: chunked\r\nX-Forwarded-For: 1.1.1.1\r\nAuthorization: x\r\n';
    const { sent, got } = await through(
      `POST / HTTP/1.1\r\nHost: a\r\n${CLOSE}Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n${chunked(`X-Sum: 1\r\n${bad}`)}`,
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: grpc-status\r\n\r\n${chunked('grpc-status: 0\r\n')}`,
    );
    expect(sent.endsWith('\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n')).toBe(true);
    expect(sent).toContain('Trailer: X-Sum\r\n');
    expect(got.endsWith('\r\n\r\n3\r\nabc\r\n0\r\ngrpc-status: 0\r\n\r\n')).toBe(true);
  });

  test('13: Date is added where the backend sent none, and kept where it did', async () => {
    expect((await through(get())).got).toMatch(/\r\nDate: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT\r\n/);
    const kept = await through(get(), response('Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n'));
    expect(kept.got.match(/Date: /g)).toHaveLength(1);
  });

  test('14: a wrong Content-Length is never forwarded', async () => {
    for (const length of ['42, 42', '4x', '99999999999999999999']) {
      const { sent, got } = await through(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`);
      expect(got).toMatch(/^HTTP\/1\.1 400 /);
      expect(sent).toBe('');
      const bad = await through(get(), `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`);
      expect(bad.got).toMatch(/^HTTP\/1\.1 502 /);
    }
  });

  test('15: a request that is not idempotent is sent once', async () => {
    const { backend, port } = await bed(
      (_, peer) => {
        peer.socket.destroy();
        return null;
      },
      { pool: { retry: { attempts: 3, on: ['connect-failure', 'reset', 502], budgetRatio: 1, budgetMinCount: 9 } } },
    );
    const got = await rawRequest(port, `POST / HTTP/1.1\r\nHost: a\r\n${CLOSE}Content-Length: 1\r\n\r\nx`);
    expect(got).toMatch(/^HTTP\/1\.1 502 [^]*X-Flotilla-Error: upstream-reset/);
    expect(backend.peers).toHaveLength(1);
  });

  test('16: HEAD, 204 and 304 have no body, whatever their fields say', async () => {
    const head = await through(
      `HEAD / HTTP/1.1\r\nHost: a\r\n${CLOSE}\r\n`,
      'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n',
    );
    expect(head.got).toMatch(/Content-Length: 10\r\n[^]*\r\n\r\n$/);
    const none = await through(get(), 'HTTP/1.1 204 No Content\r\n\r\n');
    expect(none.got).toMatch(/^HTTP\/1\.1 204 No Content\r\n[^]*\r\n\r\n$/);
    const unchanged = await through(get(), 'HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n');
    expect(unchanged.got).toMatch(/^HTTP\/1\.1 304 [^]*Content-Length: 10\r\n[^]*\r\n\r\n$/);
  });

  test('17: CONNECT opens nothing', async () => {
    const { sent, got } = await through('CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n');
    expect(got).toMatch(/^HTTP\/1\.1 501 /);
    expect(sent).toBe('');
  });

  test('18: TRACE shows no secrets where it ends here', async () => {
    const { got } = await through(
      `TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nCookie: s=1\r\nAuthorization: b\r\nX-Y: z\r\n${CLOSE}\r\n`,
    );
    expect(got).toContain('Content-Type: message/http\r\n');
    expect(got).toContain('X-Y: z');
    expect(got).not.toMatch(/s=1|Authorization/);
  });

  test('19: an expectation is passed on, its 100 comes back, and the body follows', async () => {
    const { backend, port } = await bed(() => null);
    const client = await rawClient(port);
    client.send('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n');
    const peer = await backend.peer();
    await peer.contains('Expect: 100-continue\r\n');
    peer.send('HTTP/1.1 100 Continue\r\n\r\n');
    await client.contains('HTTP/1.1 100 Continue\r\n\r\n');
    client.send('abc');
    await peer.contains('\r\n\r\nabc');
    peer.send(OK_RESPONSE);
    expect(await client.contains('\r\n\r\nok')).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
  });

  test('19: a client that does not wait is served all the same; in HTTP/1.0 an expectation means nothing', async () => {
    const eager = await through(
      `POST / HTTP/1.1\r\nHost: a\r\n${CLOSE}Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc`,
    );
    expect(eager.got).toContain('200 OK');
    const old = await through('POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc');
    expect(old.sent).not.toContain('Expect');
    expect(old.got).toContain('200 OK');
  });

  test('19: a next hop that speaks HTTP/1.0 cannot meet it', async () => {
    const { port } = await bed(() => 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok');
    await rawRequest(port, get());
    const got = await rawRequest(
      port,
      `POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc`,
    );
    expect(got).toMatch(/^HTTP\/1\.1 417 /);
  });

  test('20: interim responses go on, but not to HTTP/1.0', async () => {
    const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
    const { got } = await through(get(), hints + hints + OK_RESPONSE);
    expect(got.startsWith(`${hints}${hints}HTTP/1.1 200 OK\r\n`)).toBe(true);
    const old = await through('GET / HTTP/1.0\r\nHost: a\r\n\r\n', hints + OK_RESPONSE);
    expect(old.got).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('20: 101 to a request that asked for no upgrade is no response', async () => {
    const { got } = await through(
      get(),
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
    );
    expect(got).toMatch(/^HTTP\/1\.1 502 /);
  });

  test('21, 22: preconditions and credentials are the backend’s business', async () => {
    const lines =
      'If-None-Match: "x"\r\nIf-Modified-Since: now\r\nRange: bytes=0-1\r\nAuthorization: Basic x\r\nProxy-Authorization: y\r\n';
    const { sent, got } = await through(
      get(lines),
      'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n',
    );
    expect(sent).toContain(lines);
    expect(got).toContain('WWW-Authenticate: Basic\r\n');
  });

  test('23, 24: no 421 and no Vary of our own', async () => {
    const { got } = await through(get());
    expect(got).toMatch(/^HTTP\/1\.1 200 /);
    expect(got).not.toContain('Vary');
  });
});

describe('RFC 9112', () => {
  test('25: an absolute target replaces Host and goes on in origin form', async () => {
    const { sent } = await through(`GET http://b.example:81/x?y HTTP/1.1\r\nHost: a\r\n${CLOSE}\r\n`);
    expect(sent).toMatch(/^GET \/x\?y HTTP\/1\.1\r\nHost: b\.example:81\r\n/);
    expect(sent.match(/\r\nHost:/g)).toHaveLength(1);
    expect((await through(`GET http://b HTTP/1.1\r\nHost: a\r\n${CLOSE}\r\n`)).sent).toMatch(/^GET \/ HTTP/);
    expect((await through(`OPTIONS http://b HTTP/1.1\r\nHost: a\r\n${CLOSE}\r\n`)).sent).toMatch(/^OPTIONS \* HTTP/);
    expect((await through(`OPTIONS * HTTP/1.1\r\nHost: a\r\n${CLOSE}\r\n`)).sent).toMatch(/^OPTIONS \* HTTP/);
  });

  test('26, 27: in a response space before a colon is stripped, a folded line is refused', async () => {
    expect((await through(get(), response('X-A  : b\r\n'))).got).toContain('X-A: b\r\n');
    expect((await through(get(), response('X-A: b\r\n c\r\n'))).got).toMatch(/^HTTP\/1\.1 502 /);
  });

  test('28: a response with an ambiguous end is none, and surplus bytes are never the next response', async () => {
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

  test('29: chunk extensions are read past and dropped', async () => {
    const { sent } = await through(
      `POST / HTTP/1.1\r\nHost: a\r\n${CLOSE}Transfer-Encoding: chunked\r\n\r\n3;x="y"\r\nabc\r\n0;z\r\n\r\n`,
    );
    expect(sent.endsWith('\r\n\r\n3\r\nabc\r\n0\r\n\r\n')).toBe(true);
  });

  test('30: our own version both ways; HTTP/1.0 persists only where it asks and the length is known', async () => {
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
});

describe('forwarding fields', () => {
  const claims =
    'X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nX-Forwarded-Port: 1\r\nX-Request-Id: mine\r\n';

  test('of anybody are dropped, ours are added', async () => {
    const { sent } = await through(get(claims));
    expect(sent).not.toMatch(/6\.6\.6\.6|evil|mine|https/);
    expect(sent).toContain('X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n');
    expect(sent).toMatch(/X-Request-Id: [0-9a-f]{24}\r\n/);
  });

  test('of a trusted proxy are kept and continued', async () => {
    const { backend, port } = await bed(() => OK_RESPONSE, { listener: { trustedProxies: ['127.0.0.0/8'] } });
    await rawRequest(port, get(claims));
    expect(backend.received).toContain('X-Forwarded-For: 6.6.6.6, 127.0.0.1\r\n');
    expect(backend.received).toContain(
      'X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=6.6.6.6\r\n',
    );
    expect(backend.received).toContain('X-Request-Id: mine\r\n');
    expect(backend.received.match(/X-Request-Id/g)).toHaveLength(1);
  });
});
