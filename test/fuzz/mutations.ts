/**
 * What is done to a message to find out where two parsers part: by name, so that a report can say how often each was tried.
 */
import type { Draft } from './draft.ts';
import type { Random } from './random.ts';

/** Changes the draft, or takes its bytes and gives others. */
interface Mutation {
  readonly draft?: (draft: Draft, random: Random) => void;
  readonly bytes?: (text: string, random: Random) => string;
}

const insert = (draft: Draft, random: Random, field: string): void => {
  draft.fields.splice(random.below(draft.fields.length + 1), 0, field);
};
/** Changes one field, or adds it. */
const vary = (draft: Draft, random: Random, change: (field: string) => string): void => {
  const at = random.below(draft.fields.length);
  draft.fields[at] = change(draft.fields[at] ?? 'X: y');
};
const middle = (text: string, random: Random, put: string): string => {
  const at = random.below(text.length + 1);
  return text.slice(0, at) + put + text.slice(at);
};
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n';
const CODINGS = [
  'chunked',
  'Chunked',
  ' chunked',
  'chunked ',
  '\tchunked',
  '\x0bchunked',
  'identity',
  'gzip, chunked',
  'chunked, gzip',
  'chunked, chunked',
  ',chunked',
  'chunked,',
  'chunked;q=1',
  '"chunked"',
  'xchunked',
  'chunked\0',
  '',
];
const LENGTHS = [
  '0',
  '1',
  '5',
  '+5',
  '-1',
  '0x5',
  '05',
  '5 ',
  '5,5',
  '5, 6',
  '1e1',
  '5.0',
  '99999999999999999999',
  '',
  '\xb95',
];
const SIZES = [
  '0x1',
  '+1',
  '-1',
  '1 ',
  ' 1',
  '1_0',
  '00000000000000001',
  '1;',
  '1;a=b',
  '1;a="\r\n"',
  'fffffffffffffffff',
  'g',
  '',
];
const EXTENSIONS = [
  '',
  'a',
  'a=b',
  'a="b"',
  'a="b;c\\"d"',
  'a;b',
  'a=',
  'a=;b',
  ';a',
  'a b',
  ' a',
  'a ',
  'a="',
  'a="b"c',
  '"a"',
  'a=\n',
  '\0',
  'a\t',
  'x'.repeat(300),
];
const HOSTS = ['', 'a b', 'a/b', 'u@a', 'a:99999', '[::1', 'a, b', 'a\tb', '\xe9', 'a.example.', 'A.EXAMPLE:80'];
const ODD_BYTES = [
  '\0',
  '\r',
  '\n',
  '\r\n',
  '\r\r\n',
  '\n\n',
  '\x0b',
  '\x0c',
  '\x7f',
  '\x80',
  '\x85',
  '\xa0',
  '\xff',
  ' ',
  '\t',
  ':',
  ',',
];

const withCoding = (name: string) => (draft: Draft, random: Random) =>
  insert(draft, random, `${name}: ${random.pick(CODINGS)}`);
const inBody = (change: (body: string, random: Random) => string) => (draft: Draft, random: Random) => {
  draft.body = change(draft.body, random);
};

const COMMON: Readonly<Record<string, Mutation>> = {
  none: {},
  'second transfer-encoding': { draft: withCoding('Transfer-Encoding') },
  'transfer-encoding in other spelling': {
    draft: (draft, random) => {
      const name = random.pick([
        'transfer-encoding',
        'Transfer_Encoding',
        'Transfer-Encoding ',
        ' Transfer-Encoding',
        'Transfer-Encoding\0',
      ]);
      insert(draft, random, `${name}: ${random.pick(CODINGS)}`);
    },
  },
  'second content-length': {
    draft: (draft, random) => insert(draft, random, `Content-Length: ${random.pick(LENGTHS)}`),
  },
  'other content-length': {
    draft: (draft, random) => {
      draft.fields = draft.fields.map((field) =>
        field.startsWith('Content-Length') ? `Content-Length:${random.pick(LENGTHS)}` : field,
      );
    },
  },
  'length and coding': {
    draft: (draft, random) => {
      insert(draft, random, `Content-Length: ${random.pick(LENGTHS)}`);
      insert(draft, random, `Transfer-Encoding: ${random.pick(CODINGS)}`);
    },
  },
  'no framing': {
    draft: (draft) => {
      draft.fields = draft.fields.filter((field) => !/^(Content-Length|Transfer-Encoding)/.test(field));
    },
  },
  'chunk size': {
    draft: inBody((body, random) => body.replace(/^[0-9a-f]+(?=\r\n)/, () => random.pick(SIZES))),
  },
  'chunk extension': {
    draft: inBody((body, random) => body.replace('\r\n', () => `;${random.pick(EXTENSIONS)}\r\n`)),
  },
  'chunk end': {
    draft: inBody((body, random) =>
      body.replace(/\r\n0\r\n/, () => random.pick(['\n0\r\n', '0\r\n', '\r\n0\n', '\r\n00\r\n', '\r\n0\r\r\n'])),
    ),
  },
  'body cut': { draft: inBody((body, random) => body.slice(0, random.below(body.length))) },
  'surplus behind the body': {
    draft: inBody(
      (body, random) =>
        body + random.pick([SMUGGLED, '\r\n', '0\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil']),
    ),
  },
  trailer: {
    draft: inBody((body, random) =>
      body.replace(
        /0\r\n\r\n$/,
        () =>
          `0\r\n${random.pick(['Content-Length: 9', 'Transfer-Encoding: chunked', 'Host: evil', 'X: a\0', ' folded', 'no colon', 'X : y', 'Trailer: x'])}\r\n\r\n`,
      ),
    ),
  },
  'line ends': { draft: (draft, random) => void (draft.eol = random.pick(['\n', '\r', '\r\r\n', '\n\r', '\r\n '])) },
  'folded line': {
    draft: (draft, random) => vary(draft, random, (field) => `${field}\r\n ${random.pick(['b', 'Host: evil', ''])}`),
  },
  'space before colon': {
    draft: (draft, random) =>
      vary(draft, random, (field) => field.replace(':', random.pick([' :', '\t:', '\0:', '\x0b:']))),
  },
  'bytes in a name': { draft: (draft, random) => vary(draft, random, (field) => random.pick(ODD_BYTES) + field) },
  'bytes in a value': {
    draft: (draft, random) =>
      vary(draft, random, (field) => field + random.pick(ODD_BYTES) + random.pick(['', 'x', 'X: y'])),
  },
  'no colon': { draft: (draft, random) => vary(draft, random, (field) => field.replace(':', '')) },
  'connection lists': {
    draft: (draft, random) =>
      insert(
        draft,
        random,
        `Connection: ${random.pick(['content-length', 'transfer-encoding', 'host', 'X-Same', 'close, close', 'a b', ',', 'upgrade'])}`,
      ),
  },
  'many fields': {
    draft: (draft, random) =>
      draft.fields.push(...Array.from({ length: random.pick([40, 90, 300]) }, (_, at) => `X-${at}: y`)),
  },
  'long field': {
    draft: (draft, random) => draft.fields.push(`X-Long: ${'z'.repeat(random.pick([1_000, 9_000, 40_000]))}`),
  },
  'start line': {
    draft: (draft, random) => void (draft.startLine = middle(draft.startLine, random, random.pick(ODD_BYTES))),
  },
  'other version': {
    draft: (draft, random) =>
      void (draft.startLine = draft.startLine.replace(
        '1.1',
        random.pick(['1.0', '2.0', '0.9', '1.10', '1,1', '1. 1']),
      )),
  },
  'insert bytes': { bytes: (text, random) => middle(text, random, random.pick(ODD_BYTES)) },
  'drop a byte': {
    bytes: (text, random) => {
      const at = random.below(text.length);
      return text.slice(0, at) + text.slice(at + 1);
    },
  },
  'replace a byte': {
    bytes: (text, random) => {
      const at = random.below(text.length);
      return text.slice(0, at) + String.fromCharCode(random.below(256)) + text.slice(at + 1);
    },
  },
  'double a part': {
    bytes: (text, random) => {
      const at = random.below(text.length);
      return text.slice(0, at) + text.slice(at, at + random.below(40)) + text.slice(at);
    },
  },
  'cut short': { bytes: (text, random) => text.slice(0, random.below(text.length)) },
};

export const REQUEST_MUTATIONS: Readonly<Record<string, Mutation>> = {
  ...COMMON,
  'other host': {
    draft: (draft, random) => void (draft.fields[0] = `Host:${random.pick([' ', ''])}${random.pick(HOSTS)}`),
  },
  'second host': { draft: (draft, random) => insert(draft, random, `Host: ${random.pick(HOSTS)}`) },
  'no host': { draft: (draft) => void draft.fields.shift() },
  'other target': {
    draft: (draft, random) => {
      const target = random.pick([
        '*',
        'a:443',
        'http://',
        'http://b/',
        'https://b?x',
        'ftp://b/',
        '/#f',
        '/\xff',
        '/ b',
        '',
        'http://u@b/',
        '/a\tb',
      ]);
      draft.startLine = draft.startLine.replace(/ \S+ /, ` ${target} `);
    },
  },
  'other method': {
    draft: (draft, random) =>
      void (draft.startLine = draft.startLine.replace(
        /^\w+/,
        random.pick(['CONNECT', 'TRACE', 'get', 'M-SEARCH', 'GET\0', 'PRI', '']),
      )),
  },
  expectation: {
    draft: (draft, random) =>
      insert(draft, random, `Expect: ${random.pick(['100-continue', '100-CONTINUE', '200-ok', ''])}`),
  },
  'max-forwards': {
    draft: (draft, random) =>
      insert(draft, random, `Max-Forwards: ${random.pick(['0', '1', '-1', 'x', '99999999999'])}`),
  },
  'lines before': { bytes: (text, random) => random.pick(['\r\n', '\n', '\r\n\r\n', ' ', '\0']) + text },
};

export const RESPONSE_MUTATIONS: Readonly<Record<string, Mutation>> = {
  ...COMMON,
  'other status': {
    draft: (draft, random) =>
      void (draft.startLine = draft.startLine.replace(
        /\d\d\d/,
        random.pick(['100', '102', '103', '199', '204', '304', '600', '000', '99', '2000', '+20']),
      )),
  },
  'interim before': {
    bytes: (text, random) =>
      random.pick([
        'HTTP/1.1 100 Continue\r\n\r\n',
        'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
        'HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\n',
      ]) + text,
  },
  'no reason': { draft: (draft) => void (draft.startLine = draft.startLine.slice(0, 12)) },
};

/** One mutation, and at times a second one on top. */
export function mutate(
  mutations: Readonly<Record<string, Mutation>>,
  random: Random,
  render: (change: (draft: Draft) => void) => string,
): { readonly names: readonly string[]; readonly text: string } {
  const names = random.chance(0.2)
    ? [pickName(mutations, random), pickName(mutations, random)]
    : [pickName(mutations, random)];
  let text = render((draft) => {
    for (const name of names) mutations[name]?.draft?.(draft, random);
  });
  for (const name of names) text = mutations[name]?.bytes?.(text, random) ?? text;
  return { names, text };
}

function pickName(mutations: Readonly<Record<string, Mutation>>, random: Random): string {
  return random.pick(Object.keys(mutations));
}
