/** The ClientHello of a real client, in any number of pieces and records, and bytes that are none. */
import { connect } from 'node:tls';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { CLIENT_HELLO_MAX_BYTES } from './limits.ts';
import { parseClientHello } from './client-hello.ts';

/** What Node's own TLS client sends first. */
async function clientHello(servername: string | undefined): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        resolve(chunk);
        done();
      },
    });
    const client = connect({ socket, ...(servername === undefined ? {} : { servername }) });
    client.on('error', () => {});
  });
}

/** The same handshake bytes in records of `size`. */
function inRecords(hello: Buffer, size: number): Buffer {
  const payload = hello.subarray(5);
  const parts: Buffer[] = [];
  for (let at = 0; at < payload.length; at += size) {
    const part = payload.subarray(at, at + size);
    parts.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 0xff]), part);
  }
  return Buffer.concat(parts);
}

let hello: Buffer;
beforeAll(async () => {
  hello = await clientHello('App.Example.com');
});

test('finds the server name, in lower case', () => {
  expect(parseClientHello(hello)).toEqual({ type: 'hello', serverName: 'app.example.com' });
});

test('no name is an empty one', async () => {
  expect(parseClientHello(await clientHello(undefined))).toEqual({ type: 'hello', serverName: '' });
});

test('every part of it asks for more, however it is cut into records', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 600 }), (size) => {
      const bytes = inRecords(hello, size);
      expect(parseClientHello(bytes)).toEqual({ type: 'hello', serverName: 'app.example.com' });
      for (let length = 0; length < bytes.length; length += 7)
        expect(parseClientHello(bytes.subarray(0, length))).toEqual({ type: 'more' });
    }),
    { numRuns: 20 },
  );
});

describe('refuses', () => {
  test.each([
    ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
    ['an SSLv2 hello', Buffer.from([0x80, 0x2e, 1, 0, 2])],
    ['another record type', Buffer.from([23, 3, 1, 0, 1, 0])],
    ['an empty record', Buffer.from([22, 3, 1, 0, 0])],
    ['an oversize record', Buffer.from([22, 3, 1, 0x40, 1])],
    ['another handshake message', Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0])],
  ])('%s', (_name, bytes) => {
    expect(parseClientHello(bytes)).toMatchObject({ type: 'error', reason: 'client-hello-malformed' });
  });

  test('an endless one', () => {
    expect(parseClientHello(Buffer.from([22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff]))).toMatchObject({ type: 'error' });
    const tiny = inRecords(
      Buffer.concat([hello.subarray(0, 5), Buffer.from([1, 0, 0x3f, 0x00]), Buffer.alloc(16_000)]),
      1,
    );
    expect(tiny.length).toBeGreaterThan(CLIENT_HELLO_MAX_BYTES);
    expect(parseClientHello(tiny)).toMatchObject({ reason: 'client-hello-too-large' });
  });

  test('a name with other bytes than a host name has', () => {
    const at = hello.indexOf('App.Example.com');
    const bad = Buffer.from(hello);
    bad.write('\0', at);
    expect(parseClientHello(bad)).toMatchObject({ type: 'error' });
  });

  test('nothing else: any flipped byte gives an answer, never an exception', () => {
    fc.assert(
      fc.property(fc.nat(hello.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = Buffer.from(hello);
        bytes[at]! ^= flip;
        expect(['hello', 'more', 'error']).toContain(parseClientHello(bytes).type);
      }),
      { numRuns: 500 },
    );
  });
});
