/**
 * HTTP/2 toward a backend of HTTP/1.1: whatever fields and frames say, the backend reads one request at most, with exactly the
 * method, target, fields and body that the stream had. Nothing in a field may become a line, a length or another request.
 */
import { block, frame, RawHttp2 } from '@flotilla/dataplane/testing';
import { waitFor } from '@flotilla/shared/testing';
import type { Random } from './random.ts';
import { ReferenceBed } from './reference-bed.ts';
import type { Seen } from './reference.ts';
import { difference } from './round.ts';
import type { Outcome, Round } from './round.ts';

const TYPE = { data: 0, headers: 1, reset: 3, settings: 4, goaway: 7, continuation: 9 } as const;
const END_STREAM = 1;
const END_HEADERS = 4;

type Field = readonly [name: string, value: string];
interface Stream {
  fields: Field[];
  body: string;
  trailers: Field[];
}

const ODD = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  '\t',
  ':',
  '\r\nx-evil: 1',
  '\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: b\r\n\r\n',
  '\xff',
  ' HTTP/1.1',
  '\x7f',
];
const change = (stream: Stream, random: Random, how: (field: Field) => Field): void => {
  const at = random.below(stream.fields.length);
  stream.fields[at] = how(stream.fields[at] as Field);
};
const add = (stream: Stream, random: Random, field: Field): void => {
  stream.fields.splice(random.below(stream.fields.length + 1), 0, field);
};
const odd = (text: string, random: Random): string => {
  const at = random.pick([0, text.length, random.below(text.length + 1)]);
  return text.slice(0, at) + random.pick(ODD) + text.slice(at);
};

const MUTATIONS: Readonly<Record<string, (stream: Stream, random: Random) => void>> = {
  none: () => {},
  'bytes in a value': (stream, random) => change(stream, random, ([name, value]) => [name, odd(value, random)]),
  'bytes in a name': (stream, random) => change(stream, random, ([name, value]) => [odd(name, random), value]),
  'upper case': (stream, random) => change(stream, random, ([name, value]) => [name.toUpperCase(), value]),
  'field of one hop': (stream, random) =>
    add(
      stream,
      random,
      random.pick<Field>([
        ['connection', 'close'],
        ['transfer-encoding', 'chunked'],
        ['upgrade', 'x'],
        ['keep-alive', '1'],
        ['te', 'gzip'],
        ['te', 'trailers'],
        ['proxy-connection', 'x'],
      ]),
    ),
  'content-length': (stream, random) =>
    add(stream, random, [
      'content-length',
      random.pick(['0', '1', '5', String(stream.body.length), '+1', '1, 1', '', '99999999999999999999']),
    ]),
  host: (stream, random) => add(stream, random, ['host', random.pick(['a', 'b', '', 'a, b', 'a b'])]),
  'second pseudo-field': (stream, random) =>
    add(
      stream,
      random,
      random.pick<Field>([
        [':path', '/other'],
        [':method', 'POST'],
        [':authority', 'b'],
        [':status', '200'],
        [':protocol', 'websocket'],
        [':scheme', 'https'],
      ]),
    ),
  'no pseudo-field': (stream, random) => void stream.fields.splice(random.below(4), 1),
  'other path': (stream, random) =>
    replace(stream, ':path', random.pick(['', '*', 'x', '/a b', '/\r\n', '/#f', 'http://b/', '//', '/\xe9', '/?q'])),
  'other method': (stream, random) =>
    replace(
      stream,
      ':method',
      random.pick(['', 'GET ', 'CONNECT', 'TRACE', 'G\r\nT', 'OPTIONS', 'GET / HTTP/1.1\r\nX:']),
    ),
  'other authority': (stream, random) =>
    replace(stream, ':authority', random.pick(['', 'a/b', 'u@a', 'a:1', 'a\r\nx: y', 'a b', '[::1]'])),
  cookies: (stream, random) => {
    for (let count = 1 + random.below(3); count > 0; count--)
      add(stream, random, ['cookie', `c${count}=${random.pick(['1', '', 'a; b'])}`]);
  },
  trailers: (stream, random) =>
    void stream.trailers.push(
      random.pick<Field>([
        ['x-sum', '1'],
        ['content-length', '4'],
        [':path', '/x'],
        ['x', 'a\r\nb'],
        ['transfer-encoding', 'chunked'],
      ]),
    ),
  'chunks as content': (stream) => void (stream.body = '0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: b\r\n\r\n'),
};

function replace(stream: Stream, name: string, value: string): void {
  stream.fields = stream.fields.map((field) => (field[0] === name ? [name, value] : field));
}

export async function startHttp2Round(): Promise<Round> {
  const bed = await ReferenceBed.start();

  async function run(random: Random): Promise<Outcome> {
    bed.reset();
    const stream = streamOf(random);
    const names = [
      random.pick(Object.keys(MUTATIONS)),
      ...(random.chance(0.2) ? [random.pick(Object.keys(MUTATIONS))] : []),
    ];
    for (const name of names) MUTATIONS[name]?.(stream, random);
    const client = await RawHttp2.connect(bed.port);
    client.send(...framesOf(stream, random));
    const ended = (): boolean =>
      client.peer.closed ||
      client.peer.ended ||
      client.frames.some(
        ({ type, flags, streamId }) =>
          type === TYPE.goaway ||
          (streamId === 1 &&
            (type === TYPE.reset || (type !== TYPE.settings && (flags & END_STREAM) !== 0 && type <= TYPE.headers))),
      );
    await waitFor('the end of the stream', ended, { everyMs: 1 });
    client.close();
    const { seen, faults } = await bed.forwarded();
    const outcome = { mutations: names, result: seen.length > 0 ? 'forwarded' : 'refused' };
    const isPlain = names.every((name) => name === 'none');
    const agrees = seen.length === 0 ? !isPlain : seen.length === 1 && isSame(stream, seen[0] as Seen);
    if (agrees && faults.every((code) => code === 'HPE_INVALID_METHOD')) return { ...outcome, disagreement: '' };
    return { ...outcome, disagreement: difference(JSON.stringify(stream), seen, faults) };
  }

  return {
    name: 'http2',
    mutations: Object.keys(MUTATIONS),
    run,
    close: () => bed.close(),
  };
}

function streamOf(random: Random): Stream {
  const body = random.pick(['', '', 'x', 'hello', 'y'.repeat(20_000)]);
  const fields: Field[] = [
    [':method', body === '' ? 'GET' : 'POST'],
    [':scheme', 'http'],
    [':path', random.pick(['/', '/a?b=c', '/long/x'])],
    [':authority', 'a.example'],
    ['x-one', '1'],
  ];
  if (random.chance(0.5)) fields.push(['accept', '*/*']);
  return { fields, body, trailers: [] };
}

/** HEADERS in one frame or several, DATA in a few, trailers. */
function framesOf({ fields, body, trailers }: Stream, random: Random): Buffer[] {
  const head = block(fields);
  const cut = random.chance(0.3) ? random.below(head.length) : head.length;
  const hasMore = body !== '' || trailers.length > 0;
  const flags = (hasMore ? 0 : END_STREAM) | (cut === head.length ? END_HEADERS : 0);
  const frames = [frame(TYPE.headers, flags, 1, head.subarray(0, cut))];
  if (cut < head.length) frames.push(frame(TYPE.continuation, END_HEADERS, 1, head.subarray(cut)));
  for (let at = 0; at < body.length; at += 9_000) {
    const isLast = at + 9_000 >= body.length && trailers.length === 0;
    frames.push(frame(TYPE.data, isLast ? END_STREAM : 0, 1, body.slice(at, at + 9_000)));
  }
  if (trailers.length > 0) frames.push(frame(TYPE.headers, END_STREAM | END_HEADERS, 1, block(trailers)));
  return frames;
}

const ADDED = /^(x-forwarded-.*|x-request-id|via|host|transfer-encoding|connection|content-length|cookie)$/;

function isSame({ fields, body }: Stream, got: Seen): boolean {
  const of = (name: string): string => fields.find((field) => field[0] === name)?.[1] ?? '';
  const sent = fields.map(([name, value]) => `${name}: ${value}`);
  const cookies = fields.filter(([name]) => name === 'cookie').map(([, value]) => value);
  const pairs: Field[] = [];
  for (let at = 0; at + 1 < got.fields.length; at += 2) pairs.push([got.fields[at] ?? '', got.fields[at + 1] ?? '']);
  const lower = (name: string): string[] =>
    pairs.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value);
  return (
    got.method === of(':method') &&
    got.target === of(':path') &&
    lower('host').join() === (of(':authority') || of('host')) &&
    lower('cookie').join('; ') === cookies.join('; ') &&
    got.body === body &&
    pairs.every(([name, value]) => ADDED.test(name.toLowerCase()) || sent.includes(`${name.toLowerCase()}: ${value}`))
  );
}
