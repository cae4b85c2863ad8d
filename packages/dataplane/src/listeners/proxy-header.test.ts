/** The PROXY protocol by its specification: what is a header, what needs more bytes, and everything that is refused. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { proxyHeader } from '../upstream/proxy-header-out.ts';
import { parseProxyHeader } from './proxy-header.ts';

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

function v2(versionAndCommand: number, family: number, body: readonly number[]): Buffer {
  return Buffer.concat([
    latin1(SIGNATURE),
    Buffer.from([versionAndCommand, family, body.length >> 8, body.length & 0xff, ...body]),
  ]);
}

const V4_BODY = [192, 0, 2, 1, 198, 51, 100, 2, 0x1f, 0x90, 0x01, 0xbb];
const V4 = { clientIp: '192.0.2.1', localIp: '198.51.100.2', clientPort: 8080, localPort: 443 };

const MAPPED = [...Array.from({ length: 10 }, () => 0), 0xff, 0xff];

describe('version 1', () => {
  test.each([
    ['PROXY TCP4 192.0.2.1 198.51.100.2 8080 443\r\n', V4],
    [
      'PROXY TCP6 2001:db8::1 ::1 1 65535\r\n',
      { clientIp: '2001:db8::1', localIp: '::1', clientPort: 1, localPort: 65535 },
    ],
    ['PROXY TCP6 2001:DB8:0:0::1 0:0:0:0:0:0:0:1 1 2\r\n', { clientIp: '2001:db8::1', localIp: '::1' }],
    ['PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 8080 443\r\n', V4],
    ['PROXY UNKNOWN\r\n', null],
    ['PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n', null],
  ])('%j', (line, endpoints) => {
    const result = parseProxyHeader(latin1(`${line}GET / HTTP/1.1`));
    expect(result).toMatchObject({ type: 'header', endpoints, length: line.length });
  });

  test.each([
    'GET / HTTP/1.1\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 8080\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 8080 443 9\r\n',
    'PROXY TCP4  192.0.2.1 198.51.100.2 8080 443\r\n',
    'PROXY TCP4 2001:db8::1 198.51.100.2 8080 443\r\n',
    'PROXY TCP6 192.0.2.1 198.51.100.2 8080 443\r\n',
    'PROXY TCP4 192.0.2.256 198.51.100.2 8080 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 08080 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 0x50 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n',
    'PROXY UDP4 192.0.2.1 198.51.100.2 8080 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 8080 443\n',
    `PROXY UNKNOWN ${'x'.repeat(200)}\r\n`,
    `PROXY UNKNOWN ${'x'.repeat(200)}`,
    'proxy TCP4 192.0.2.1 198.51.100.2 8080 443\r\n',
  ])('refuses %j', (line) => {
    expect(parseProxyHeader(latin1(line))).toEqual({ type: 'error', reason: 'proxy-header-malformed' });
  });
});

describe('version 2', () => {
  const tlv = [0x04, 0x00, 0x02, 0xaa, 0xbb];

  test.each([
    ['TCP over IPv4', v2(0x21, 0x11, V4_BODY), V4],
    ['with extensions', v2(0x21, 0x11, [...V4_BODY, ...tlv]), V4],
    ['UDP over IPv4', v2(0x21, 0x12, V4_BODY), V4],
    [
      'TCP over IPv6',
      v2(0x21, 0x21, [
        0x20,
        1,
        0xd,
        0xb8,
        ...Array.from({ length: 11 }, () => 0),
        1,
        ...Array.from({ length: 15 }, () => 0),
        1,
        0,
        9,
        0,
        10,
      ]),
      { clientIp: '2001:db8::1', localIp: '::1', clientPort: 9, localPort: 10 },
    ],
    [
      'IPv4 in its mapped form',
      v2(0x21, 0x21, [...MAPPED, ...V4_BODY.slice(0, 4), ...MAPPED, ...V4_BODY.slice(4)]),
      V4,
    ],
    [
      'a unix socket',
      v2(
        0x21,
        0x31,
        Array.from({ length: 216 }, () => 7),
      ),
      null,
    ],
    ['LOCAL', v2(0x20, 0x00, []), null],
    ['LOCAL with addresses', v2(0x20, 0x11, V4_BODY), null],
    ['LOCAL with whatever', v2(0x20, 0x11, [1, 2, 3]), null],
    ['unspecified', v2(0x21, 0x00, [1, 2, 3]), null],
  ])('%s', (_name, header, endpoints) => {
    const result = parseProxyHeader(Buffer.concat([header, latin1('rest')]));
    expect(result).toMatchObject({ type: 'header', endpoints, length: header.length });
  });

  test('keeps the extensions', () => {
    const result = parseProxyHeader(v2(0x21, 0x11, [...V4_BODY, ...tlv]));
    expect(result.type === 'header' ? [...(result.endpoints?.extensions ?? [])] : null).toEqual(tlv);
  });

  test.each([
    ['another signature', latin1('\r\n\r\n\0\r\nQUIX\n')],
    ['version 1 in the binary form', v2(0x11, 0x11, V4_BODY)],
    ['an unknown command', v2(0x22, 0x11, V4_BODY)],
    ['an unknown family', v2(0x21, 0x41, V4_BODY)],
    ['addresses cut short', v2(0x21, 0x11, V4_BODY.slice(0, 11))],
    ['an extension past the end', v2(0x21, 0x11, [...V4_BODY, 4, 0, 9, 1])],
    ['half an extension', v2(0x21, 0x11, [...V4_BODY, 4])],
    ['too much of it', Buffer.concat([latin1(SIGNATURE), Buffer.from([0x21, 0x11, 0xff, 0xff])])],
  ])('refuses %s', (_name, header) => {
    expect(parseProxyHeader(header)).toEqual({ type: 'error', reason: 'proxy-header-malformed' });
  });
});

test.each(['v1', 'v2'] as const)('%s of an IPv4 client at an IPv6 address of ours names both', (version) => {
  const ends = { sourceAddress: '192.0.2.1', sourcePort: 1, destinationAddress: '2001:db8::1', destinationPort: 2 };
  const header = latin1(proxyHeader(version, { ...ends, extensions: Buffer.alloc(0) }));
  const endpoints = { clientIp: '192.0.2.1', clientPort: 1, localIp: '2001:db8::1', localPort: 2 };
  expect(parseProxyHeader(header)).toMatchObject({ type: 'header', endpoints });
});

/** None; the server name; two of them. */
const EXTENSIONS = [[], [0x02, 0, 1, 0x61], [0x02, 0, 1, 0x61, 0xe0, 0, 0]];

test.each(['v1', 'v2'] as const)('reads what we write, %s, and asks for more of every part of it', (version) => {
  const port = fc.integer({ min: 0, max: 65_535 });
  const pair = fc.oneof(fc.tuple(fc.ipV4(), fc.ipV4()), fc.tuple(fc.ipV6(), fc.ipV6()));
  fc.assert(
    fc.property(
      pair,
      port,
      port,
      fc.constantFrom(...EXTENSIONS),
      ([source, destination], sourcePort, destinationPort, tlvs) => {
        const extensions = Buffer.from(version === 'v2' ? tlvs : []);
        const addresses = {
          sourceAddress: source,
          destinationAddress: destination,
          sourcePort,
          destinationPort,
          extensions,
        };
        const header = latin1(proxyHeader(version, addresses));
        const result = parseProxyHeader(header);
        expect(result).toMatchObject({ type: 'header', length: header.length });
        expect(result).toMatchObject({ endpoints: { clientPort: sourcePort, localPort: destinationPort, extensions } });
        for (let length = 0; length < header.length; length++)
          expect(parseProxyHeader(header.subarray(0, length)).type).toBe('more');
      },
    ),
    { numRuns: 50 },
  );
});
