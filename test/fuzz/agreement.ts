/**
 * What must be equal on both sides of a proxy, and what a proxy changes by right: hop-by-hop fields, forwarding fields, Via, the
 * form of the target.
 */
import type { ResponseRead, Seen } from './reference.ts';

const OF_ONE_HOP = new Set(
  'connection keep-alive proxy-connection te transfer-encoding upgrade http2-settings trailer'.split(' '),
);
/** Of a request: ours to write, or to drop from whoever is not trusted. */
const FORWARDING = /^(x[-_]forwarded[-_].*|forwarded|x-real-ip|x-request-id|via|max-forwards|host|expect)$/;
/** Of a response: added where missing, or not allowed with the status. */
const OURS = new Set(['date', 'via', 'content-length']);
/** Cannot be taken away by naming them in Connection. */
const KEPT = new Set(
  'host content-length transfer-encoding content-type content-encoding authorization cookie set-cookie date via'.split(
    ' ',
  ),
);

type Field = readonly [name: string, value: string];

function pairs(raw: readonly string[]): Field[] {
  const fields: Field[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2)
    fields.push([raw[at] ?? '', (raw[at + 1] ?? '').replaceAll(/^[ \t]+|[ \t]+$/g, '')]);
  return fields;
}

function nominated(fields: readonly Field[]): Set<string> {
  const names = fields
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) =>
      value
        .toLowerCase()
        .split(',')
        .map((each) => each.trim()),
    );
  return new Set(names.filter((name) => !KEPT.has(name)));
}

/** Fields that go through unchanged, in their order. */
function endToEnd(raw: readonly string[], dropped: (lowerName: string) => boolean): string {
  const fields = pairs(raw);
  const listed = nominated(fields);
  return fields
    .filter(([name]) => {
      const lower = name.toLowerCase();
      return !OF_ONE_HOP.has(lower) && !listed.has(lower) && !dropped(lower);
    })
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n');
}

function originForm(target: string, method: string): string {
  const rest = target.replace(/^https?:\/\/[^/?]*/i, '');
  if (rest === target) return target;
  if (rest === '') return method === 'OPTIONS' ? '*' : '/';
  return rest.startsWith('/') ? rest : `/${rest}`;
}

function isSameRequest(sent: Seen, got: Seen): boolean {
  const drop = (name: string): boolean => FORWARDING.test(name);
  const trailers = pairs(sent.trailers).map(([name, value]) => `${name}: ${value}`);
  return (
    got.version === '1.1' &&
    got.method === sent.method &&
    got.target === originForm(sent.target, sent.method) &&
    got.body === sent.body &&
    endToEnd(got.fields, drop) === endToEnd(sent.fields, drop) &&
    pairs(got.trailers).every(([name, value]) => trailers.includes(`${name}: ${value}`))
  );
}

/** Whether every request that the backend got is one that the reference reads in the client's bytes, in the same order. */
export function areForwarded(read: readonly Seen[], got: readonly Seen[]): boolean {
  let at = 0;
  for (const one of got) {
    while (at < read.length && !isSameRequest(read[at] as Seen, one)) at++;
    if (at++ >= read.length) return false;
  }
  return true;
}

export function isSameResponse(read: ResponseRead, got: ResponseRead): boolean {
  const drop = (name: string): boolean => OURS.has(name);
  return (
    got.status === read.status && got.body === read.body && endToEnd(got.fields, drop) === endToEnd(read.fields, drop)
  );
}

/** An answer of the proxy's own, with its reason; '' for one of a backend. */
export function ownReason({ fields }: ResponseRead): string {
  return pairs(fields).find(([name]) => name.toLowerCase() === 'x-flotilla-error')?.[1] ?? '';
}

/**
 * Where the reference is narrower than the RFCs nothing can be compared: it takes a tab behind `chunked` for a part of it (a blank by
 * the grammar), refuses minor versions above 1 (to be read as 1.1: RFC 9110 §2.5), and reads nothing behind a request to upgrade
 * (which goes on as HTTP where the answer is no 101: §7.8).
 */
export function isBeyondReference(text: string): boolean {
  if (/^transfer-encoding:[^\r\n]*\t\r$/im.test(text) || /(?:^| )HTTP\/1\.[2-9][ \r]/m.test(text)) return true;
  return /^connection:[^\r\n]*upgrade/im.test(text) && /^upgrade:/im.test(text);
}

/**
 * A response as a proxy has to read it: blanks before a colon are taken away (RFC 9112 §5.1), where the reference refuses them. In
 * its heads only, also those of interim responses before it.
 */
export function withoutBlanksBeforeColons(text: string): string {
  const end = text.indexOf('\r\n\r\n');
  const head = end < 0 ? text : text.slice(0, end + 4);
  const rest = text.slice(head.length);
  const plain = head.replaceAll(/(?<=\r\n)([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]+:/g, '$1:');
  return plain + (head.startsWith('HTTP/1.1 1') ? withoutBlanksBeforeColons(rest) : rest);
}
