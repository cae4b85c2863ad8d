/**
 * The field names that a proxy must know, as small numbers found without making a string of the name.
 */
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

interface Known {
  readonly name: Uint8Array;
  readonly id: number;
}

/** By length of the name: few candidates, most lengths none. */
const BY_LENGTH: (readonly Known[] | undefined)[] = [];
for (const [name] of NAMES)
  BY_LENGTH[name.length] = NAMES.filter(([other]) => other.length === name.length).map(([known, id]) => ({
    name: Buffer.from(known, 'latin1'),
    id,
  }));

const LOWER = 0x20;
const LETTER_X = 0x78;
const UNDERSCORE = 0x5f;

/** Of a name that was found to be a token. */
export function fieldId(bytes: Uint8Array, start: number, end: number): number {
  const candidates = BY_LENGTH[end - start];
  if (candidates === undefined) return FIELD.other;
  const first = (bytes[start] as number) | LOWER;
  for (const { name, id } of candidates) if (name[0] === first && isName(bytes, start, name)) return id;
  // Many application servers read `_` and `-` as the same: a forwarding field must not slip in under the other spelling.
  return first === LETTER_X ? lookalikeId(bytes, start, end) : FIELD.other;
}

/** Among the bytes of tokens only letters change with the bit, but for `_` and others that are in no name here. */
function isName(bytes: Uint8Array, start: number, name: Uint8Array): boolean {
  for (let at = 0; at < name.length; at++) if (((bytes[start + at] as number) | LOWER) !== name[at]) return false;
  return true;
}

function lookalikeId(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== UNDERSCORE) at++;
  if (at === end) return FIELD.other;
  const name = Buffer.from(bytes.subarray(start, end)).toString('latin1').replaceAll('_', '-').toLowerCase();
  const saysWhoIsThere = name.startsWith('x-forwarded-') || name === 'x-real-ip' || name === 'x-request-id';
  return saysWhoIsThere ? FIELD.forwardedOther : FIELD.other;
}
