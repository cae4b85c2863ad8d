/**
 * Requests that the API's own description allows, nearly allows, and does not allow at all.
 */
import fc from 'fast-check';
import { arbitraryOf, hostileJson, mutated, type Schema } from './schema-arbitrary.ts';

export interface Operation {
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly { readonly in: string; readonly name: string; readonly schema: Schema }[];
  readonly body: Schema | null;
}

export interface FuzzRequest {
  readonly method: string;
  /** Path and query, as they go over the wire. */
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  /** Bytes of the body that are sent; fewer than announced: it is cut off. */
  readonly sentRatio: number;
}

type Document = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export function operationsOf(paths: Document): Operation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, description]) => {
      const { parameters = [], requestBody } = description as {
        parameters?: Operation['parameters'];
        requestBody?: { content: Readonly<Record<string, { schema: Schema }>> };
      };
      const body = Object.values(requestBody?.content ?? {})[0]?.schema ?? null;
      return { method: method.toUpperCase(), path, parameters, body };
    }),
  );
}

const NAMES = fc.constantFrom('web', 'api', 'b1', 'n1', 'site', 'nobody', '0', '1', '2');
const HOSTILE_NAMES = fc.constantFrom(
  '..',
  '%2e%2e%2f%2e%2e%2fetc%2fpasswd',
  '..%5c..%5cwindows',
  '%00',
  '%',
  '%ff%fe',
  '%F0%9F%92%A5',
  '__proto__',
  'constructor',
  'a'.repeat(400),
  '-1',
  '1e9',
  '*',
  'a b'.replace(' ', '+'),
  "';drop",
  '99999999999999999999',
);

const HEADERS: fc.Arbitrary<readonly [string, string]> = fc.oneof(
  fc.tuple(fc.constant('if-match'), fc.constantFrom('"0"', '*', '"', 'W/"1"', '"1","2"', '"99999999999999999"', '-1')),
  fc.tuple(fc.constant('idempotency-key'), fc.constantFrom('k1', 'k2', '', 'a'.repeat(500), '\u00fc')),
  fc.tuple(fc.constant('accept'), fc.constantFrom('application/yaml', '*/*;q=x', 'a'.repeat(5_000))),
  fc.tuple(fc.constant('content-encoding'), fc.constantFrom('gzip', 'br')),
  fc.tuple(fc.constant('expect'), fc.constantFrom('100-continue', 'nothing')),
  fc.tuple(fc.constant('authorization'), fc.constantFrom('Bearer', 'Basic eA==', `Bearer ${'x'.repeat(9_000)}`)),
  fc.tuple(fc.constant('origin'), fc.constantFrom('http://evil.example', 'null', 'http://127.0.0.1')),
  fc.tuple(fc.constant('last-event-id'), fc.constantFrom('x', '-1', '1e400')),
  fc.tuple(fc.constant('transfer-encoding'), fc.constantFrom('chunked', 'gzip, chunked', 'identity')),
  fc.tuple(
    fc.constantFrom('x-http-method-override', '__proto__', 'x-\u00fc', 'a b'),
    fc.string({ maxLength: 30 }).map(printable),
  ),
);

const TYPES = fc.constantFrom(
  'application/json',
  'application/json; charset=utf-8',
  'application/merge-patch+json',
  'application/yaml',
  'text/plain',
  'multipart/form-data; boundary=x',
  'application/json; charset=utf-7',
  '',
  '/',
);

const YAML = fc.constantFrom(
  'a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n',
  `a: &a [${'x,'.repeat(50)}]\n${Array.from({ length: 40 }, (_, at) => `k${at}: [*a, *a, *a, *a]`).join('\n')}\n`,
  '? [complex]\n: key\n',
  '!!js/function "x"',
  'listeners: [\n',
  '<<: {__proto__: {x: 1}}\n',
  '- '.repeat(500),
);

export function requestArbitrary(operations: readonly Operation[]): fc.Arbitrary<FuzzRequest> {
  return fc.constantFrom(...operations).chain((operation) =>
    fc
      .record({
        target: targetOf(operation),
        headers: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(HEADERS, { maxLength: 3 })),
        type: fc.oneof({ weight: 6, arbitrary: fc.constant('application/json') }, TYPES),
        body: bodyOf(operation),
        sentRatio: fc.oneof({ weight: 12, arbitrary: fc.constant(1) }, fc.double({ min: 0, max: 0.99, noNaN: true })),
        method: fc.oneof(
          { weight: 20, arbitrary: fc.constant(operation.method) },
          fc.constantFrom('TRACE', 'PUT', 'HEAD'),
        ),
      })
      .map(({ type, headers, ...rest }) => ({
        ...rest,
        headers: type === '' ? headers : [...headers, ['content-type', type] as const],
      })),
  );
}

function bodyOf({ body }: Operation): fc.Arbitrary<string> {
  const junk = fc.oneof(hostileJson, YAML, fc.constantFrom('', '{', '{"a":', '\u0000', '[1,]', 'NaN'));
  if (body === null) return fc.oneof({ weight: 8, arbitrary: fc.constant('') }, junk);
  const valid = arbitraryOf(body);
  return fc.oneof(
    { weight: 3, arbitrary: valid.map((value) => JSON.stringify(value)) },
    { weight: 6, arbitrary: mutated(valid) },
    { weight: 2, arbitrary: junk },
  );
}

function targetOf({ path, parameters }: Operation): fc.Arbitrary<string> {
  const names = path.match(/\{\w+\}/g) ?? [];
  const filled = fc
    .array(fc.oneof({ weight: 4, arbitrary: NAMES }, HOSTILE_NAMES), {
      minLength: names.length,
      maxLength: names.length,
    })
    .map((values) => names.reduce((text, name, at) => text.replace(name, () => values[at] ?? ''), path));
  const queries = parameters.filter((parameter) => parameter.in === 'query');
  const field = (queries.length === 0 ? fc.constant(null) : fc.constantFrom(...queries)).chain((query) => {
    if (query === null) return fc.constant('x=1');
    const usual = arbitraryOf(query.schema).map((value) => encodeURIComponent(toText(value)));
    // A wait that is long on purpose is not a stall.
    const value = query.name === 'timeoutMs' ? fc.constantFrom('1', '200', '-1', 'x') : fc.oneof(usual, HOSTILE_NAMES);
    return value.map((text) => `${query.name}=${text}`);
  });
  return fc
    .tuple(filled, fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, fc.array(field, { maxLength: 3 })))
    .map(([text, fields]) => (fields.length === 0 ? text : `${text}?${fields.join('&')}`));
}

const toText = (value: unknown): string =>
  typeof value === 'string' ? value.toWellFormed() : (JSON.stringify(value) ?? '');

/** What would end a header line is another attack, on another parser. */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?');
}
