/** Messages of HTTP/2 that are none, from clients and from backends: refused alone, and nothing of them reaches the other side. */
import { afterEach, describe, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { bed, startProxy } from '../testing/http-bed.ts';
import { block, END, frame, getFields, headers, RawHttp2 } from '../testing/raw-http2.ts';
import { rawRequest } from '../testing/raw-tcp.ts';
import { CODE, FLAG, FRAME } from './protocol.ts';

type Fields = (readonly [string, string])[];

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function rawBed() {
  const parts = await bed();
  const client = await RawHttp2.connect(parts.port);
  closers.push(() => client.close());
  return { ...parts, client };
}

describe('a malformed request is refused, and nothing of it forwarded', () => {
  const cases: [string, Fields][] = [
    ['Connection', getFields(['connection', 'close'])],
    ['Keep-Alive', getFields(['keep-alive', '5'])],
    ['Proxy-Connection', getFields(['proxy-connection', 'close'])],
    ['Upgrade', getFields(['upgrade', 'h2c'])],
    ['Transfer-Encoding', getFields(['transfer-encoding', 'chunked'])],
    ['TE other than trailers', getFields(['te', 'gzip'])],
    ['an upper-case name', getFields(['X-Upper', '1'])],
    ['an empty name', getFields(['', '1'])],
    ['a space in a name', getFields(['x y', '1'])],
    ['a colon in a name', getFields(['x:y', '1'])],
    ['CR LF in a name', getFields(['x\r\nevil', '1'])],
    ['CR LF in a value', getFields(['x-a', '1\r\nevil: 2'])],
    ['LF in a value', getFields(['x-a', '1\nevil: 2'])],
    ['CR in a value', getFields(['x-a', '1\r2'])],
    ['NUL in a value', getFields(['x-a', '1\x002'])],
    ['a space before a value', getFields(['x-a', ' 1'])],
    ['a tab after a value', getFields(['x-a', '1\t'])],
    ['Host and :authority that differ', getFields(['host', 'b'])],
    ['two Hosts', getFields(['host', 'a'], ['host', 'b'])],
    [
      'no host at all',
      [
        [':method', 'GET'],
        [':scheme', 'http'],
        [':path', '/'],
      ],
    ],
    [
      'user information in :authority',
      [
        [':method', 'GET'],
        [':scheme', 'http'],
        [':path', '/'],
        [':authority', 'u@a'],
      ],
    ],
    [
      'an empty :path',
      [
        [':method', 'GET'],
        [':scheme', 'http'],
        [':path', ''],
        [':authority', 'a'],
      ],
    ],
    [
      'a space in :path',
      [
        [':method', 'GET'],
        [':scheme', 'http'],
        [':path', '/a b'],
        [':authority', 'a'],
      ],
    ],
    [
      'a request line in :path',
      [
        [':method', 'GET'],
        [':scheme', 'http'],
        [':path', '/ HTTP/1.1\r\nx: y'],
        [':authority', 'a'],
      ],
    ],
    [
      'an absolute :path',
      [
        [':method', 'GET'],
        [':scheme', 'http'],
        [':path', 'http://b/'],
        [':authority', 'a'],
      ],
    ],
    [
      'a request line in :method',
      [
        [':method', 'GET / HTTP/1.1'],
        [':scheme', 'http'],
        [':path', '/'],
        [':authority', 'a'],
      ],
    ],
    [
      'no :method',
      [
        [':scheme', 'http'],
        [':path', '/'],
        [':authority', 'a'],
      ],
    ],
    [
      'no :scheme',
      [
        [':method', 'GET'],
        [':path', '/'],
        [':authority', 'a'],
      ],
    ],
    [
      'an odd :scheme',
      [
        [':method', 'GET'],
        [':scheme', 'file'],
        [':path', '/'],
        [':authority', 'a'],
      ],
    ],
    ['two :paths', getFields([':path', '/2'])],
    ['an unknown pseudo-field', [...getFields().slice(0, 3), [':x', '1'], [':authority', 'a']]],
    [':status in a request', getFields([':status', '200'])],
    ['a pseudo-field after others', [['x-a', '1'], ...getFields()]],
    [':protocol without CONNECT', getFields([':protocol', 'websocket'])],
    [
      'CONNECT',
      [
        [':method', 'CONNECT'],
        [':authority', 'a:443'],
      ],
    ],
    ['a Content-Length without a body', getFields(['content-length', '5'])],
    ['two Content-Lengths', getFields(['content-length', '0'], ['content-length', '0'])],
    ['a list as Content-Length', getFields(['content-length', '0, 0'])],
    ['a signed Content-Length', getFields(['content-length', '+0'])],
    ['an unknown expectation', getFields(['expect', '200-ok'])],
  ];
  it.each(cases)('%s', async (_name, fields) => {
    const { client, backend } = await rawBed();
    client.send(headers(1, fields));
    await waitFor('an answer', () => client.of(FRAME.headers).length > 0 || client.resetCode(1) >= 0);
    await client.stillServes(3);
    expect(backend.received.match(/ HTTP\/1\.1\r\n/g)?.length).toBe(1);
    expect(backend.received).not.toContain('evil');
  });

  it.each([
    ['more', '4', 'hello'],
    ['less', '6', 'hello'],
  ])('DATA of %s than the Content-Length', async (_name, length, body) => {
    const { client, backend } = await rawBed();
    client.send(headers(1, [[':method', 'POST'], ...getFields(['content-length', length]).slice(1)], FLAG.endHeaders));
    client.send(frame(FRAME.data, FLAG.endStream, 1, body));
    await waitFor('a reset', () => client.resetCode(1) >= 0);
    expect(client.resetCode(1)).toBe(CODE.protocolError);
    await client.stillServes(3);
    // What was forwarded of it ended with its connection, before any second request.
    for (const peer of backend.peers)
      expect(peer.received.match(/ HTTP\/1\.1\r\n/g)?.length ?? 0).toBeLessThanOrEqual(1);
  });

  it('trailers with a pseudo-field, or that do not end the stream', async () => {
    const { client } = await rawBed();
    const post: Fields = [[':method', 'POST'], ...getFields().slice(1)];
    client.send(headers(1, post, FLAG.endHeaders), headers(1, [[':path', '/x']]));
    client.send(headers(3, post, FLAG.endHeaders), headers(3, [['x-a', '1']], FLAG.endHeaders));
    await waitFor('resets', () => client.resetCode(1) >= 0 && client.resetCode(3) >= 0);
    await client.stillServes(5);
  });

  it('joins cookies that were split, and keeps one Host', async () => {
    const { client, backend } = await rawBed();
    client.send(headers(1, getFields(['cookie', 'a=1'], ['host', 'A'], ['cookie', 'b=2'])));
    await waitFor('an answer', () => client.of(FRAME.headers).length > 0);
    expect(backend.received).toContain('cookie: a=1; b=2\r\n');
    expect(backend.received.match(/host: /gi)?.length).toBe(2);
  });
});

describe('a backend of HTTP/2 is trusted as little', () => {
  it.each([
    ['an upper-case name', 'X-Upper', '1'],
    ['CR LF in a value', 'x-a', '1\r\nevil: 2'],
    ['Transfer-Encoding', 'transfer-encoding', 'chunked'],
    ['a second :status', ':status', '200'],
  ])('%s is a 502', async (_name, name, value) => {
    const { createServer } = await import('node:net');
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.write(frame(FRAME.settings, 0, 0));
      socket.on('data', (chunk) => {
        if (!chunk.includes('x-forwarded-for')) return;
        socket.write(
          frame(
            FRAME.headers,
            END,
            1,
            block([
              [':status', '200'],
              [name, value],
            ]),
          ),
        );
      });
      closers.push(() => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => server.close());
    const proxy = await startProxy([(server.address() as { port: number }).port], { upstream: { protocol: 'h2c' } });
    const answer = await rawRequest(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(answer).toContain('HTTP/1.1 502');
    expect(answer).not.toContain('evil');
  });
});
