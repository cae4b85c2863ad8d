/**
 * The field names that a proxy must know, as small numbers found without making a string of the name.
 */
import { equalsIgnoreCase } from './bytes.ts';

export const FIELD = {
  other: 0,
  host: 1,
  connection: 2,
  contentLength: 3,
  transferEncoding: 4,
  keepAlive: 5,
  proxyConnection: 6,
  te: 7,
  upgrade: 8,
  expect: 9,
  via: 10,
  date: 11,
  maxForwards: 12,
  requestId: 13,
  forwardedFor: 14,
  forwardedProto: 15,
  forwardedHost: 16,
  /** Forwarding fields that we neither write nor read, only drop where the peer is not trusted. */
  forwardedOther: 17,
  http2Settings: 18,
  cookie: 19,
  trailer: 20,
} as const;

const NAMES: readonly (readonly [string, number])[] = [
  ['host', FIELD.host],
  ['connection', FIELD.connection],
  ['content-length', FIELD.contentLength],
  ['transfer-encoding', FIELD.transferEncoding],
  ['keep-alive', FIELD.keepAlive],
  ['proxy-connection', FIELD.proxyConnection],
  ['te', FIELD.te],
  ['upgrade', FIELD.upgrade],
  ['expect', FIELD.expect],
  ['via', FIELD.via],
  ['date', FIELD.date],
  ['max-forwards', FIELD.maxForwards],
  ['x-request-id', FIELD.requestId],
  ['x-forwarded-for', FIELD.forwardedFor],
  ['x-forwarded-proto', FIELD.forwardedProto],
  ['x-forwarded-host', FIELD.forwardedHost],
  ['x-forwarded-port', FIELD.forwardedOther],
  ['x-forwarded-client-cert', FIELD.forwardedOther],
  ['x-forwarded-server', FIELD.forwardedOther],
  ['x-forwarded-prefix', FIELD.forwardedOther],
  ['x-forwarded-ssl', FIELD.forwardedOther],
  ['x-forwarded-by', FIELD.forwardedOther],
  ['forwarded', FIELD.forwardedOther],
  ['x-real-ip', FIELD.forwardedOther],
  ['http2-settings', FIELD.http2Settings],
  ['cookie', FIELD.cookie],
  ['trailer', FIELD.trailer],
];

/** By length of the name: few candidates, most lengths none. */
const BY_LENGTH: (readonly (readonly [string, number])[] | undefined)[] = [];
for (const [name] of NAMES) BY_LENGTH[name.length] = NAMES.filter(([other]) => other.length === name.length);

export function fieldId(raw: string, start: number, end: number): number {
  const candidates = BY_LENGTH[end - start];
  if (candidates === undefined) return FIELD.other;
  const first = raw.charCodeAt(start) | 0x20;
  for (const [name, id] of candidates) {
    if (name.charCodeAt(0) === first && equalsIgnoreCase(raw, start, end, name)) return id;
  }
  // Many application servers read `_` and `-` as the same: a forwarding field must not slip in under the other spelling.
  const lookalike = first === 0x78 /* x */ && raw.indexOf('_', start) < end ? lookalikeId(raw.slice(start, end)) : 0;
  return lookalike;
}

function lookalikeId(name: string): number {
  const dashed = name.replaceAll('_', '-').toLowerCase();
  return dashed !== name.toLowerCase() && dashed.startsWith('x-forwarded-') ? FIELD.forwardedOther : FIELD.other;
}
