/** Requests that are none: the right status and reason, the connection ended, nothing forwarded. */
import { describe, expect, test } from 'vitest';
import { bed } from '../testing/http-bed.ts';
import { rawRequest } from '../testing/raw-tcp.ts';

const H = 'Host: a\r\n';
const long = (count: number) => 'a'.repeat(count);

/** what is wrong, the bytes, the status, the reason */
const CASES: readonly (readonly [string, string, number, string])[] = [
  [
    'TE and CL',
    `POST / HTTP/1.1\r\n${H}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
    'content-length-and-transfer-encoding',
  ],
  [
    'CL and TE',
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n`,
    400,
    'content-length-and-transfer-encoding',
  ],
  [
    'two lengths',
    `POST / HTTP/1.1\r\n${H}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc`,
    400,
    'duplicate-content-length',
  ],
  [
    'two equal lengths',
    `POST / HTTP/1.1\r\n${H}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`,
    400,
    'duplicate-content-length',
  ],
  ['a list of lengths', `POST / HTTP/1.1\r\n${H}Content-Length: 3, 3\r\n\r\nabc`, 400, 'bad-content-length'],
  ['signed length', `POST / HTTP/1.1\r\n${H}Content-Length: +3\r\n\r\nabc`, 400, 'bad-content-length'],
  ['negative length', `POST / HTTP/1.1\r\n${H}Content-Length: -1\r\n\r\n`, 400, 'bad-content-length'],
  ['hexadecimal length', `POST / HTTP/1.1\r\n${H}Content-Length: 0x3\r\n\r\nabc`, 400, 'bad-content-length'],
  ['length with leading zero', `POST / HTTP/1.1\r\n${H}Content-Length: 03\r\n\r\nabc`, 400, 'bad-content-length'],
  ['empty length', `POST / HTTP/1.1\r\n${H}Content-Length:\r\n\r\n`, 400, 'bad-content-length'],
  [
    'length that overflows',
    `POST / HTTP/1.1\r\n${H}Content-Length: 99999999999999999999\r\n\r\n`,
    400,
    'bad-content-length',
  ],
  ['unknown coding', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: sdch\r\n\r\n`, 501, 'unknown-transfer-coding'],
  [
    'coding before chunked',
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    501,
    'unknown-transfer-coding',
  ],
  [
    'chunked not last',
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
    400,
    'bad-transfer-encoding',
  ],
  ['not chunked at all', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: gzip\r\n\r\n`, 400, 'bad-transfer-encoding'],
  ['identity', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: identity\r\n\r\n`, 400, 'bad-transfer-encoding'],
  [
    'chunked twice',
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`,
    400,
    'bad-transfer-encoding',
  ],
  [
    'chunked on two lines',
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
    'bad-transfer-encoding',
  ],
  [
    'vertical tab before chunked',
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
    400,
    'bad-header-value',
  ],
  [
    'quoted chunked',
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`,
    400,
    'bad-transfer-encoding',
  ],
  ['empty coding', `POST / HTTP/1.1\r\n${H}Transfer-Encoding:\r\n\r\n`, 400, 'bad-transfer-encoding'],
  [
    'chunked in HTTP/1.0',
    `POST / HTTP/1.0\r\n${H}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
    'transfer-encoding-in-http10',
  ],
  ['folded line', `GET / HTTP/1.1\r\n${H}X: a\r\n b\r\n\r\n`, 400, 'obs-fold'],
  ['space before the first field', `GET / HTTP/1.1\r\n X: a\r\n${H}\r\n`, 400, 'obs-fold'],
  ['tab fold', `GET / HTTP/1.1\r\n${H}X: a\r\n\tb\r\n\r\n`, 400, 'obs-fold'],
  ['space before colon', `GET / HTTP/1.1\r\n${H}X : a\r\n\r\n`, 400, 'space-before-colon'],
  ['tab before colon', `POST / HTTP/1.1\r\n${H}Transfer-Encoding\t: chunked\r\n\r\n`, 400, 'space-before-colon'],
  ['no colon', `GET / HTTP/1.1\r\n${H}X\r\n\r\n`, 400, 'bad-header-name'],
  ['empty name', `GET / HTTP/1.1\r\n${H}: a\r\n\r\n`, 400, 'bad-header-name'],
  ['forbidden byte in name', `GET / HTTP/1.1\r\n${H}X(y): a\r\n\r\n`, 400, 'bad-header-name'],
  ['non-ASCII name', `GET / HTTP/1.1\r\n${H}X\xe9: a\r\n\r\n`, 400, 'bad-header-name'],
  ['NUL in value', `GET / HTTP/1.1\r\n${H}X: a\0b\r\n\r\n`, 400, 'bad-header-value'],
  ['DEL in value', `GET / HTTP/1.1\r\n${H}X: a\x7fb\r\n\r\n`, 400, 'bad-header-value'],
  ['bare CR in value', `GET / HTTP/1.1\r\n${H}X: a\rb\r\n\r\n`, 400, 'bare-cr'],
  ['bare LF ends a field', `GET / HTTP/1.1\r\n${H}X: a\nY: b\r\n\r\n`, 400, 'bare-lf'],
  ['bare LF ends the request line', `GET / HTTP/1.1\n${H}\r\n`, 400, 'bare-lf'],
  ['bare LF ends the head', `GET / HTTP/1.1\r\n${H}\n`, 400, 'bare-lf'],
  ['bare CR after the version', `GET / HTTP/1.1\rX${H}\r\n`, 400, 'bare-cr'],
  ['no host', 'GET / HTTP/1.1\r\n\r\n', 400, 'bad-host'],
  ['two hosts', `GET / HTTP/1.1\r\n${H}Host: b\r\n\r\n`, 400, 'bad-host'],
  ['two equal hosts', `GET / HTTP/1.1\r\n${H}${H}\r\n`, 400, 'bad-host'],
  ['empty host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400, 'bad-host'],
  ['host with path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400, 'bad-host'],
  ['host with user', 'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n', 400, 'bad-host'],
  ['host with a bad port', 'GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n', 400, 'bad-host'],
  ['host with a space', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', 400, 'bad-host'],
  ['two hosts in HTTP/1.0', `GET / HTTP/1.0\r\n${H}Host: b\r\n\r\n`, 400, 'bad-host'],
  ['CONNECT', `CONNECT a:443 HTTP/1.1\r\n${H}\r\n`, 501, 'connect-unsupported'],
  ['the preface of HTTP/2 as a method', `PRI / HTTP/1.1\r\n${H}\r\n`, 400, 'bad-method'],
  ['authority form', `GET a:443 HTTP/1.1\r\n${H}\r\n`, 400, 'bad-target'],
  ['asterisk form without OPTIONS', `GET * HTTP/1.1\r\n${H}\r\n`, 400, 'bad-target'],
  ['absolute form with user', `GET http://u:p@a/ HTTP/1.1\r\n${H}\r\n`, 400, 'bad-target'],
  ['absolute form of another scheme', `GET ftp://a/ HTTP/1.1\r\n${H}\r\n`, 400, 'bad-target'],
  ['fragment in the target', `GET /#x HTTP/1.1\r\n${H}\r\n`, 400, 'bad-target'],
  ['non-ASCII target', `GET /\xff HTTP/1.1\r\n${H}\r\n`, 400, 'bad-target'],
  ['tab in the request line', `GET\t/ HTTP/1.1\r\n${H}\r\n`, 400, 'bad-method'],
  ['two spaces in the request line', `GET  / HTTP/1.1\r\n${H}\r\n`, 400, 'bad-target'],
  ['space after the version', `GET / HTTP/1.1 \r\n${H}\r\n`, 400, 'bad-request-line'],
  ['HTTP/0.9', 'GET /\r\n', 400, 'bad-request-line'],
  ['lower-case protocol', `GET / http/1.1\r\n${H}\r\n`, 400, 'bad-request-line'],
  ['two-digit version', `GET / HTTP/1.10\r\n${H}\r\n`, 400, 'bad-request-line'],
  ['HTTP/2 in a request line', `GET / HTTP/2.0\r\n${H}\r\n`, 505, 'http-version'],
  ['HTTP/3', `GET / HTTP/3.0\r\n${H}\r\n`, 505, 'http-version'],
  ['TLS to a plain port', '\x16\x03\x01\x02\0\x01\0\x01\xfc', 400, 'bad-method'],
  ['bad Connection', `GET / HTTP/1.1\r\n${H}Connection: a b\r\n\r\n`, 400, 'bad-connection-field'],
  ['TRACE with a body', `TRACE / HTTP/1.1\r\n${H}Content-Length: 1\r\n\r\na`, 400, 'trace-with-body'],
  ['bad Max-Forwards', `TRACE / HTTP/1.1\r\n${H}Max-Forwards: -1\r\n\r\n`, 400, 'bad-max-forwards'],
  ['unknown expectation', `GET / HTTP/1.1\r\n${H}Expect: 200-ok\r\n\r\n`, 417, 'expectation-failed'],
  ['long target', `GET /${long(20_000)} HTTP/1.1\r\n${H}\r\n`, 414, 'target-too-long'],
  ['long field', `GET / HTTP/1.1\r\n${H}X: ${long(40_000)}\r\n\r\n`, 431, 'head-too-large'],
  ['many fields', `GET / HTTP/1.1\r\n${H}${'X: a\r\n'.repeat(200)}\r\n`, 431, 'too-many-fields'],
  ['long method', `${long(100)} / HTTP/1.1\r\n${H}\r\n`, 501, 'method-too-long'],
];

const CHUNKED = `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n`;
const BODIES: readonly (readonly [string, string, number, string])[] = [
  ['0x size', '0x3\r\nabc\r\n0\r\n\r\n', 400, 'bad-chunk-size'],
  ['signed size', '+3\r\nabc\r\n0\r\n\r\n', 400, 'bad-chunk-size'],
  ['space before size', ' 3\r\nabc\r\n0\r\n\r\n', 400, 'bad-chunk-size'],
  ['space after size', '3 \r\nabc\r\n0\r\n\r\n', 400, 'bad-chunk-size'],
  ['underscore in size', '1_0\r\n', 400, 'bad-chunk-size'],
  ['size that overflows', 'fffffffffffffffff\r\nabc', 400, 'bad-chunk-size'],
  ['empty size', '\r\nabc', 400, 'bad-chunk-size'],
  ['bare LF after size', '3\nabc\r\n0\r\n\r\n', 400, 'bare-lf'],
  ['bare CR after size', '3\rabc\r\n0\r\n\r\n', 400, 'bare-cr'],
  ['chunk longer than its size', '3\r\nabcd\r\n0\r\n\r\n', 400, 'bad-chunk'],
  ['LF in extension', '3;a\nb\r\nabc\r\n0\r\n\r\n', 400, 'bad-chunk-extension'],
  ['no extension after the semicolon', '3;\r\nabc\r\n0\r\n\r\n', 400, 'bad-chunk-extension'],
  ['extension without a value', '3;a=\r\nabc\r\n0\r\n\r\n', 400, 'bad-chunk-extension'],
  ['extension with a blank', '3;a b\r\nabc\r\n0\r\n\r\n', 400, 'bad-chunk-extension'],
  ['open quote in an extension', '3;a="b\r\nabc\r\n0\r\n\r\n', 400, 'bad-chunk-extension'],
  ['text after a quoted extension', '3;a="b"c\r\nabc\r\n0\r\n\r\n', 400, 'bad-chunk-extension'],
  ['NUL in extension', '3;a\0\r\nabc\r\n0\r\n\r\n', 400, 'bad-chunk-extension'],
  ['long extensions', `3;${long(20_000)}\r\nabc\r\n0\r\n\r\n`, 400, 'bad-chunk-extension'],
  ['bad trailer', '0\r\nX y: a\r\n\r\n', 400, 'bad-trailer'],
  ['a length in the trailers', '0\r\nContent-Length: 5\r\n\r\n', 400, 'bad-trailer'],
  ['a coding in the trailers', '0\r\nTransfer-Encoding: chunked\r\n\r\n', 400, 'bad-trailer'],
  ['long trailers', `0\r\nX: ${long(20_000)}\r\n\r\n`, 431, 'trailers-too-large'],
];

describe('a malformed request is refused', () => {
  test.each(CASES)('%s', async (_, bytes, status, reason) => {
    const { backend, port } = await bed();
    const answer = await rawRequest(port, `${bytes}GET /second HTTP/1.1\r\n${H}\r\n`);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer).toContain(`\r\nX-Flotilla-Error: ${reason}\r\n`);
    expect(answer).toContain('\r\nConnection: close\r\n');
    expect(answer).toContain(`{"error":{"code":"${reason}"`);
    expect(answer.split('HTTP/1.1 ')).toHaveLength(2);
    expect(backend.received).toBe('');
  });

  test.each(BODIES)('chunked: %s', async (_, body, status, reason) => {
    const { backend, port } = await bed(() => null);
    const answer = await rawRequest(port, CHUNKED + body);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer).toContain(`\r\nX-Flotilla-Error: ${reason}\r\n`);
    expect(answer).toContain('\r\nConnection: close\r\n');
    expect(backend.received).not.toContain('\r\n0\r\n');
  });

  test('a body larger than the listener allows is 413, by its length or by its chunks', async () => {
    const { backend, port } = await bed(() => null, { listener: { maxRequestBodyBytes: 10 } });
    const byLength = await rawRequest(port, `POST / HTTP/1.1\r\n${H}Content-Length: 11\r\n\r\n`);
    expect(byLength).toMatch(/^HTTP\/1\.1 413 /);
    const byChunks = await rawRequest(port, `${CHUNKED}8\r\n12345678\r\n3\r\nabc\r\n0\r\n\r\n`);
    expect(byChunks).toMatch(/^HTTP\/1\.1 413 /);
    expect(backend.received).not.toContain('\r\n0\r\n');
  });
});
