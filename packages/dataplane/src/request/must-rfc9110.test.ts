/**
 * What an HTTP intermediary must do, by number of the project's list of 30: the rules of RFC 9110. Those of RFC 9112 are in
 * `must-rfc9112.test.ts`.
 */
import { describe, expect, test } from 'vitest';
import { bed, CLOSE, get, response, through } from '../testing/http-bed.ts';
import { OK_RESPONSE, rawClient, rawRequest } from '../testing/raw-tcp.ts';

describe('RFC 9110', () => {
  test('MUST 1: what Connection lists goes away, unless the message would be another one without it', async () => {
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

  test('MUST 1: and so do trailers of that name', async () => {
    const { sent } = await through(
      `POST / HTTP/1.1\r\nHost: a\r\nConnection: X-T, close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-T: 1\r\nX-U: 2\r\n\r\n`,
    );
    expect(sent).toContain('0\r\nX-U: 2\r\n\r\n');
    expect(sent).not.toContain('X-T');
  });

  test('MUST 2: Keep-Alive, Proxy-Connection, TE, Upgrade and Transfer-Encoding are of one hop', async () => {
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

  test('MUST 3: Max-Forwards is counted down for TRACE and OPTIONS, answered at 0, and never invented', async () => {
    const down = await through(`OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 2\r\n${CLOSE}\r\n`);
    expect(down.sent).toContain('Max-Forwards: 1\r\n');
    const zero = await through(`OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n${CLOSE}\r\n`);
    expect(zero.sent).toBe('');
    expect(zero.got).toMatch(/^HTTP\/1\.1 200 [^]*\r\nAllow: /);
    expect((await through(get())).sent).not.toContain('Max-Forwards');
    expect((await through(get('Max-Forwards: 7\r\n'))).sent).toContain('Max-Forwards: 7\r\n');
  });

  test('MUST 4: Via is added after those that are there, with the version that the request came in', async () => {
    const { sent } = await through(get('Via: 1.0 other\r\n'));
    expect(sent).toMatch(/Via: 1\.0 other\r\n[^]*Via: 1\.1 flotilla\r\n/);
    const old = await through('GET / HTTP/1.0\r\nHost: a\r\n\r\n');
    expect(old.sent).toContain('Via: 1.0 flotilla\r\n');
  });

  test('MUST 5: a request that goes in circles ends', async () => {
    const { sent, got } = await through(get('Via: 1.1 flotilla, 1.1 flotilla\r\nVia: 1.1 flotilla, 1.1 flotilla\r\n'));
    expect(sent).toBe('');
    expect(got).toMatch(/^HTTP\/1\.1 502 [^]*X-Flotilla-Error: loop-detected/);
  });

  test('MUST 6: path and query are not touched', async () => {
    const target = '/a//b/../c;d=1/%2e%2E/?q=%20x&y=[1]|{}^';
    expect((await through(get('', target))).sent).toMatch(
      new RegExp(`^GET ${target.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')} HTTP/1\\.1\r\n`),
    );
  });

  test('MUST 7: nothing is transformed: bodies and their fields arrive as they were', async () => {
    const { got } = await through(
      get(),
      response('Cache-Control: no-transform\r\nContent-Encoding: gzip\r\nETag: "x"\r\n', '\x1f\x8b\0\xff'),
    );
    expect(got).toContain('Content-Encoding: gzip\r\nETag: "x"\r\nContent-Length: 4\r\n');
    expect(got.endsWith('\r\n\r\n\x1f\x8b\0\xff')).toBe(true);
  });

  test('MUST 8: Upgrade is forwarded only where Connection lists it, and not from HTTP/1.0', async () => {
    const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
    expect((await through(`GET / HTTP/1.1\r\nHost: a\r\n${upgrade}Connection: close\r\n\r\n`)).sent).toContain(
      'Upgrade: websocket\r\n',
    );
    expect((await through(get('Upgrade: websocket\r\n'))).sent).not.toContain('Upgrade');
    expect((await through(`GET / HTTP/1.0\r\nHost: a\r\n${upgrade}\r\n`)).sent).not.toContain('Upgrade');
  });

  test('MUST 8: nothing is offered that would carry requests past the rules, on whichever line it stands', async () => {
    const offers = [
      'Upgrade: h2c\r\n',
      'Upgrade: websocket\r\nUpgrade: h2c\r\n',
      'Upgrade: foo, H2C\r\n',
      'Upgrade: \r\n',
    ];
    for (const offer of offers)
      expect((await through(get(`Connection: upgrade\r\n${offer}`))).sent).not.toContain('pgrade');
  });

  test('MUST 8: a backend switches to what the client offered, or its 101 is no response', async () => {
    const request = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\nUpgrade: foo/2, WebSocket\r\n\r\n';
    const switching = (fields: string) => `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n${fields}\r\n`;
    for (const fields of ['Upgrade: h2c\r\n', 'Upgrade: foo\r\n', 'Upgrade: foo/2, h2c\r\n', 'Upgrade:\r\n', '']) {
      const { got } = await through(request, switching(fields));
      expect(got).toMatch(/^HTTP\/1\.1 502 [^]*X-Flotilla-Error: upstream-invalid-response\r\n/);
    }
    const { port, backend } = await bed(() => switching('Upgrade: websocket\r\n'));
    const client = await rawClient(port);
    client.send(request);
    await client.contains('HTTP/1.1 101 ');
    (await backend.peer()).socket.destroy();
    await client.toEnd();
    client.socket.destroy();
  });

  test('MUST 9: unknown fields go on, byte for byte, whatever their case and content', async () => {
    const lines = 'x-LOWER: a, b\r\nX-Other: \xe9\r\n!#$%&*+-.^_`|~09: odd but a name\r\nX-Empty: \r\n';
    const { sent, got } = await through(get(lines), response(lines));
    expect(sent).toContain(`Host: a\r\n${lines}`);
    expect(got).toContain(`200 OK\r\n${lines}`);
  });

  test('MUST 10: fields of the same name keep their order and are never merged', async () => {
    const lines = 'X-Same: 1\r\nX-Other: 0\r\nX-Same: 2\r\nCookie: a=1\r\nCookie: b=2\r\n';
    const cookies = 'Set-Cookie: a=1\r\nX-Between: 1\r\nSet-Cookie: b=2\r\n';
    const { sent, got } = await through(get(lines), response(cookies));
    expect(sent).toContain(`Host: a\r\n${lines}`);
    expect(got).toContain(`200 OK\r\n${cookies}`);
  });

  test.each(['a\0b', 'a\rb', 'a\nb', 'a\r\rb', 'a\n\nb', '\x0b', '\x7f'])(
    'MUST 11: %j in a value is no message, in either direction',
    async (value) => {
      const asked = await through(get(`X: ${value}\r\n`));
      expect(asked.got).toMatch(/^HTTP\/1\.1 400 /);
      expect(asked.sent).toBe('');
      const answered = await through(get(), response(`X: ${value}\r\n`));
      expect(answered.got).toMatch(/^HTTP\/1\.1 502 [^]*X-Flotilla-Error: upstream-invalid-response/);
    },
  );

  test('MUST 12: trailers stay trailers, both ways, and may not say what the head decides', async () => {
    const chunked = (trailers: string) => `3\r\nabc\r\n0\r\n${trailers}\r\n`;
    const bad = 'Host: b\r\nX-Forwarded-For: 1.1.1.1\r\nAuthorization: x\r\n';
    const { sent, got } = await through(
      `POST / HTTP/1.1\r\nHost: a\r\n${CLOSE}Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n${chunked(`X-Sum: 1\r\n${bad}`)}`,
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: grpc-status\r\n\r\n${chunked('grpc-status: 0\r\n')}`,
    );
    expect(sent.endsWith('\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n')).toBe(true);
    expect(sent).toContain('Trailer: X-Sum\r\n');
    expect(got.endsWith('\r\n\r\n3\r\nabc\r\n0\r\ngrpc-status: 0\r\n\r\n')).toBe(true);
  });

  test('MUST 13: Date is added where the backend sent none, and kept where it did', async () => {
    expect((await through(get())).got).toMatch(/\r\nDate: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT\r\n/);
    const kept = await through(get(), response('Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n'));
    expect(kept.got.match(/Date: /g)).toHaveLength(1);
  });

  test('MUST 14: a wrong Content-Length is never forwarded', async () => {
    for (const length of ['42, 42', '4x', '99999999999999999999']) {
      const { sent, got } = await through(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`);
      expect(got).toMatch(/^HTTP\/1\.1 400 /);
      expect(sent).toBe('');
      const bad = await through(get(), `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`);
      expect(bad.got).toMatch(/^HTTP\/1\.1 502 /);
    }
  });

  test('MUST 15: a request that is not idempotent is sent once', async () => {
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

  test('MUST 16: HEAD, 204 and 304 have no body, whatever their fields say', async () => {
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

  test('MUST 17: CONNECT opens nothing', async () => {
    const { sent, got } = await through('CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n');
    expect(got).toMatch(/^HTTP\/1\.1 501 /);
    expect(sent).toBe('');
  });

  test('MUST 18: TRACE shows no secrets where it ends here', async () => {
    const { got } = await through(
      `TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nCookie: s=1\r\nAuthorization: b\r\nX-Y: z\r\n${CLOSE}\r\n`,
    );
    expect(got).toContain('Content-Type: message/http\r\n');
    expect(got).toContain('X-Y: z');
    expect(got).not.toMatch(/s=1|Authorization/);
  });

  test('MUST 19: an expectation is passed on, its 100 comes back, and the body follows', async () => {
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

  test('MUST 19: a client that does not wait is served all the same; in HTTP/1.0 an expectation means nothing', async () => {
    const eager = await through(
      `POST / HTTP/1.1\r\nHost: a\r\n${CLOSE}Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc`,
    );
    expect(eager.got).toContain('200 OK');
    const old = await through('POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc');
    expect(old.sent).not.toContain('Expect');
    expect(old.got).toContain('200 OK');
  });

  test('MUST 19: a next hop that speaks HTTP/1.0 cannot meet it', async () => {
    const { port } = await bed(() => 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok');
    await rawRequest(port, get());
    const got = await rawRequest(
      port,
      `POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc`,
    );
    expect(got).toMatch(/^HTTP\/1\.1 417 /);
  });

  test('MUST 20: interim responses go on, but not to HTTP/1.0', async () => {
    const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
    const { got } = await through(get(), hints + hints + OK_RESPONSE);
    expect(got.startsWith(`${hints}${hints}HTTP/1.1 200 OK\r\n`)).toBe(true);
    const old = await through('GET / HTTP/1.0\r\nHost: a\r\n\r\n', hints + OK_RESPONSE);
    expect(old.got).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('MUST 20: 101 to a request that asked for no upgrade is no response', async () => {
    const { got } = await through(
      get(),
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
    );
    expect(got).toMatch(/^HTTP\/1\.1 502 /);
  });

  test('MUST 21: preconditions are the backend’s business', async () => {
    const lines = 'If-None-Match: "x"\r\nIf-Modified-Since: now\r\nIf-Range: "y"\r\nRange: bytes=0-1\r\n';
    const { sent, got } = await through(get(lines), response('ETag: "x"\r\n'));
    expect(sent).toContain(lines);
    expect(got).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('MUST 22: credentials and challenges go on untouched', async () => {
    const lines = 'Authorization: Basic x\r\nProxy-Authorization: y\r\n';
    const challenges =
      'WWW-Authenticate: Basic\r\nProxy-Authenticate: Basic\r\nAuthentication-Info: z\r\nProxy-Authentication-Info: z\r\n';
    for (const status of ['401 Unauthorized', '407 Proxy Authentication Required']) {
      const { sent, got } = await through(get(lines), `HTTP/1.1 ${status}\r\n${challenges}Content-Length: 0\r\n\r\n`);
      expect(sent).toContain(lines);
      expect(got).toContain(challenges);
    }
  });

  test('MUST 23: no 421 of our own, and the backend’s goes on', async () => {
    expect((await through(get())).got).toMatch(/^HTTP\/1\.1 200 /);
    const { got } = await through(get(), 'HTTP/1.1 421 Misdirected Request\r\nContent-Length: 0\r\n\r\n');
    expect(got).toMatch(/^HTTP\/1\.1 421 Misdirected Request\r\n/);
  });

  test('MUST 24: no Vary of our own', async () => {
    expect((await through(get())).got).not.toContain('Vary');
    expect((await through(get(), response('Vary: Accept\r\n'))).got.match(/Vary/g)).toHaveLength(1);
  });
});
