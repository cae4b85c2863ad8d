/**
 * Messages before they are bytes: a start line, fields and a body, so that a mutation can say what it changes.
 */
import type { Random } from './random.ts';

export interface Draft {
  startLine: string;
  /** Each with its colon, without its end. */
  fields: string[];
  /** Framed as the fields say. */
  body: string;
  /** End of lines. */
  eol: string;
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const TARGETS = ['/', '/a/b?c=d', '/%00/..;x=1/', '/?', '//double//', '/long/' + 'x'.repeat(600)];
const FIELDS = [
  'Accept: */*',
  'X-Empty:',
  'X-Spaces:   a b\t',
  'Cookie: a=1; b=2',
  'X-Same: 1',
  'X-Same: 2',
  'Connection: keep-alive',
  'Connection: X-Drop, close',
  'X-Drop: gone',
  'TE: trailers',
  'Via: 1.1 other',
  'X-Forwarded-For: 203.0.113.9',
  'Authorization: Basic x',
  'Content-Type: text/plain',
  'X-Latin: caf\xe9',
  'Keep-Alive: timeout=5',
  'Expect: 100-continue',
  'Upgrade: foo',
];
const STATUSES = [
  '200 OK',
  '201 Created',
  '204 No Content',
  '206 Partial Content',
  '304 Not Modified',
  '404 Not Found',
  '500 ',
];

/** A body of chunks with its last one and, at times, trailers. */
function chunked(content: string, random: Random): string {
  const at = random.below(content.length + 1);
  const parts = [content.slice(0, at), content.slice(at)].filter((part) => part !== '');
  const chunks = parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('');
  return `${chunks}0\r\n${random.chance(0.3) ? 'X-Trailer: 1\r\n' : ''}\r\n`;
}

function withBody(draft: Draft, random: Random): Draft {
  const content = random.pick([
    '',
    'x',
    'hello world',
    '0\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: b\r\n\r\n',
    'y'.repeat(9_000),
  ]);
  if (random.chance(0.5)) {
    draft.fields.push(`Content-Length: ${content.length}`);
    draft.body = content;
  } else {
    draft.fields.push('Transfer-Encoding: chunked');
    draft.body = chunked(content, random);
  }
  return draft;
}

/** A request that every parser reads alike. */
export function requestDraft(random: Random): Draft {
  const method = random.pick(METHODS);
  const absolute = random.chance(0.1) ? 'http://a.example' : '';
  const draft: Draft = {
    startLine: `${method} ${absolute}${random.pick(TARGETS)} HTTP/1.1`,
    fields: ['Host: a.example'],
    body: '',
    eol: '\r\n',
  };
  for (let count = random.below(4); count > 0; count--) draft.fields.push(random.pick(FIELDS));
  return ['POST', 'PUT', 'PATCH'].includes(method) ? withBody(draft, random) : draft;
}

/** An answer to a GET that every parser reads alike; without a length at times, so that its connection's end is its end. */
export function responseDraft(random: Random): Draft {
  const status = random.pick(STATUSES);
  const draft: Draft = { startLine: `HTTP/1.1 ${status}`, fields: [], body: '', eol: '\r\n' };
  for (let count = random.below(4); count > 0; count--) draft.fields.push(random.pick(FIELDS));
  if (status.startsWith('204') || status.startsWith('304')) return draft;
  if (random.chance(0.2)) return { ...draft, body: 'until the end' };
  return withBody(draft, random);
}

export function render({ startLine, fields, body, eol }: Draft): string {
  return `${startLine}${eol}${fields.map((field) => field + eol).join('')}${eol}${body}`;
}
