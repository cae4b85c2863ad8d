/**
 * Values that a schema accepts, and values that are nearly so: the bodies of a fuzzed request. Knows the keywords that our own
 * schemas use.
 */
import fc from 'fast-check';

export interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** Names that the cluster under test has: most references are to meet something. */
const NAMES = ['web', 'api', 'b1', 'n1', 'site'] as const;
const ITEMS_MAX = 3;
const DEEP_LEVELS = 2_000;

export function arbitraryOf(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(arbitraryOf));
  switch (schema.type) {
    case 'object':
      return objectOf(schema);
    case 'array':
      return fc.array(arbitraryOf(schema.items ?? {}), { maxLength: ITEMS_MAX });
    case 'string':
      return stringOf(schema);
    case 'integer':
      return fc.integer({ min: schema.minimum ?? 0, max: Math.min(schema.maximum ?? 100_000, 2 ** 31) });
    case 'number':
      return fc.double({ min: schema.minimum ?? 0, max: schema.maximum ?? 1e6, noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function objectOf({ properties, patternProperties, required = [] }: Schema): fc.Arbitrary<unknown> {
  if (patternProperties !== undefined) {
    const [value = {}] = Object.values(patternProperties);
    return fc.dictionary(fc.constantFrom('zone', 'x-a', 'host'), arbitraryOf(value), { maxKeys: 2 });
  }
  const fields = Object.fromEntries(Object.entries(properties ?? {}).map(([name, one]) => [name, arbitraryOf(one)]));
  return fc.record(fields, { requiredKeys: required.filter((name) => name in fields) });
}

function stringOf({ pattern, minLength = 0, maxLength = 40 }: Schema): fc.Arbitrary<string> {
  if (pattern?.startsWith('^[a-z0-9][a-z0-9-]') === true) return fc.constantFrom(...NAMES);
  const free = fc.string({ minLength, maxLength: Math.max(minLength, Math.min(maxLength, 40)) });
  const usual = fc.constantFrom('10.0.0.1:80', '127.0.0.1', 'a.example', '/path', ...NAMES);
  return pattern === undefined ? fc.oneof(usual, free) : fc.oneof(usual, fc.stringMatching(new RegExp(pattern)));
}

/** JSON text of something that nothing of ours is. */
export const hostileJson: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    'null',
    '1e999',
    '-0',
    '9007199254740993',
    '""',
    '"\\u0000"',
    '"\\ud800"',
    '"\\u202e../../etc/passwd"',
    '{"__proto__":{"polluted":true}}',
    '{"constructor":{"prototype":{"polluted":true}}}',
    '{"toString":1,"valueOf":2,"hasOwnProperty":3}',
    '{"a":1,"a":2}',
    '[[],[[]],{}]',
    `"${'a'.repeat(200_000)}"`,
    '['.repeat(DEEP_LEVELS) + ']'.repeat(DEEP_LEVELS),
    '{"a":'.repeat(DEEP_LEVELS) + '1' + '}'.repeat(DEEP_LEVELS),
    `[${'1,'.repeat(50_000)}1]`,
  ),
  fc.json({ maxDepth: 4 }),
);

/** The JSON text of `value` with one part of it replaced, added to or taken away. */
export function mutated(value: fc.Arbitrary<unknown>): fc.Arbitrary<string> {
  return fc.tuple(value, fc.nat(), hostileJson, fc.constantFrom('replace', 'add', 'remove')).map(mutate);
}

function mutate([value, place, hostile, how]: [unknown, number, string, string]): string {
  const mark = '@hostile@';
  const copy = { root: JSON.parse(JSON.stringify(value ?? null)) as unknown };
  const places: (readonly [object, string])[] = [];
  collect(copy, places);
  const [holder, key] = places[place % places.length] ?? [copy, 'root'];
  if (how === 'remove' && holder !== copy) Reflect.deleteProperty(holder, key);
  else if (how === 'add') Reflect.set(holder, Array.isArray(holder) ? holder.length : `${key}x`, mark);
  else Reflect.set(holder, key, mark);
  return JSON.stringify(copy.root ?? mark).replaceAll(`"${mark}"`, () => hostile);
}

function collect(holder: object, into: (readonly [object, string])[]): void {
  for (const [key, value] of Object.entries(holder)) {
    into.push([holder, key]);
    if (typeof value === 'object' && value !== null) collect(value as object, into);
  }
}
