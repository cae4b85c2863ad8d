/**
 * Any split of the bytes gives the same messages: the same heads, the same bodies, and the same fault at the same place.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ChunkedDecoder } from './chunked-decoder.ts';
import { RequestHead, ResponseHead } from './head.ts';
import { DONE, MORE } from './parse-fields.ts';
import { parseRequest } from './parse-request.ts';
import { parseResponse } from './parse-response.ts';

const REQUESTS = [
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  '\r\nPOST /a/b?c=d HTTP/1.1\r\nHost: example.com:80\r\nContent-Length: 3\r\nX:  y \r\n\r\nabc',
  'OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\nConnection: close, X-Y\r\n\r\n',
  'GET http://b/c HTTP/1.0\r\nHost: b\r\nCookie: a=b\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
];
const RESPONSES = [
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.0 204 No Content\r\n\r\n',
  'HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\nX : y\r\n\r\n',
];
const BODIES = [
  '5\r\nhello\r\n0\r\n\r\n',
  '3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-T: 1\r\nY: 2\r\n\r\nrest',
  '0\r\n\r\nGET / HTTP/1.1\r\n',
  '0001\r\na\r\n000;a;b="c"\r\n\r\n',
];

/** Real messages, with some bytes changed, dropped or doubled. */
const mutated = (messages: readonly string[]) =>
  fc
    .record({
      message: fc.constantFrom(...messages),
      changes: fc.array(
        fc.record({
          at: fc.nat(120),
          kind: fc.constantFrom('replace', 'remove', 'insert'),
          with: fc.oneof(
            fc.constantFrom('\r', '\n', ' ', ':', '\t', '\0', ',', ';', '0'),
            fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
          ),
        }),
        { maxLength: 3 },
      ),
    })
    .map(({ message, changes }) =>
      changes.reduce((text, change) => {
        const at = change.at % (text.length + 1);
        if (change.kind === 'insert') return text.slice(0, at) + change.with + text.slice(at);
        return text.slice(0, at) + (change.kind === 'replace' ? change.with : '') + text.slice(at + 1);
      }, message),
    );

const cuts = fc.array(fc.nat(200), { maxLength: 12 });

function pieces(text: string, at: readonly number[]): string[] {
  const places = [...new Set(at.map((place) => place % (text.length + 1)))].sort((a, b) => a - b);
  const starts = [0, ...places];
  return starts
    .map((start, index) => text.slice(start, starts[index + 1] ?? text.length))
    .filter((part) => part !== '');
}

function readHead<T extends RequestHead | ResponseHead>(
  head: T,
  parse: (head: T) => number,
  parts: readonly string[],
): object {
  let result: number = MORE;
  for (const part of parts) {
    head.feedText(part);
    result = parse(head);
    if (result !== MORE) break;
  }
  const fields = Array.from({ length: head.fieldCount }, (_, at) => [head.name(at), head.value(at)]);
  if (result !== DONE) return { result, fault: head.fault };
  const {
    raw: _raw,
    bytes: _bytes,
    base: _base,
    position: _position,
    ids: _ids,
    nameStart: _ns,
    nameEnd: _ne,
    valueStart: _vs,
    valueEnd: _ve,
    canonical: _c,
    ...rest
  } = head;
  return { result, fields, ...rest };
}

function readBody(parts: readonly string[], raw: boolean): object {
  const decoder = new ChunkedDecoder();
  decoder.reset(raw);
  let out = '';
  let consumed = 0;
  const sink = {
    bodyBytes: (buffer: Buffer, start: number, end: number) => void (out += buffer.toString('latin1', start, end)),
  };
  for (const part of parts) {
    const buffer = Buffer.from(part, 'latin1');
    consumed += decoder.decode(buffer, 0, buffer.length, sink);
    if (decoder.done || decoder.fault !== null) break;
  }
  // What was passed on before a fault may differ by what was at hand; that there is a fault, and where, may not.
  if (decoder.fault !== null) return { fault: decoder.fault, consumed };
  return { out, consumed, done: decoder.done, trailers: decoder.trailers, contentBytes: decoder.contentBytes };
}

test('request heads', () => {
  fc.assert(
    fc.property(mutated(REQUESTS), cuts, (text, at) => {
      const whole = readHead(
        new RequestHead(),
        parseRequest,
        [text].filter((part) => part !== ''),
      );
      expect(readHead(new RequestHead(), parseRequest, pieces(text, at))).toEqual(whole);
    }),
    { numRuns: 3_000 },
  );
});

test('response heads', () => {
  fc.assert(
    fc.property(mutated(RESPONSES), cuts, (text, at) => {
      const whole = readHead(
        new ResponseHead(),
        parseResponse,
        [text].filter((part) => part !== ''),
      );
      expect(readHead(new ResponseHead(), parseResponse, pieces(text, at))).toEqual(whole);
    }),
    { numRuns: 3_000 },
  );
});

test.each([true, false])('chunked bodies, raw form %s', (raw) => {
  fc.assert(
    fc.property(mutated(BODIES), cuts, (text, at) => {
      expect(readBody(pieces(text, at), raw)).toEqual(
        readBody(
          [text].filter((part) => part !== ''),
          raw,
        ),
      );
    }),
    { numRuns: 3_000 },
  );
});

test('the content of a chunked body is what its chunks hold, without extensions', () => {
  const chunks = fc.array(
    fc.record({
      data: fc.string({ minLength: 1, maxLength: 40, unit: 'binary-ascii' }),
      extension: fc.constantFrom('', ';a', ';a=b', ';a="b c"'),
    }),
  );
  fc.assert(
    fc.property(chunks, cuts, (list, at) => {
      const text = `${list.map(({ data, extension }) => `${data.length.toString(16)}${extension}\r\n${data}\r\n`).join('')}0\r\n\r\n`;
      const plain = `${list.map(({ data }) => `${data.length.toString(16)}\r\n${data}\r\n`).join('')}0\r\n`;
      const content = list.map(({ data }) => data).join('');
      expect(readBody(pieces(text, at), false)).toMatchObject({
        out: content,
        done: true,
        contentBytes: content.length,
      });
      expect(readBody(pieces(text, at), true)).toMatchObject({ out: plain, done: true });
    }),
  );
});
