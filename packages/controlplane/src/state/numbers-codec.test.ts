/** What is read without a parser is what the parser and the schema make of the same bytes. */
import { checkShape, Faults } from '@flotilla/shared/schema';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { encodeCommand } from './codec.ts';
import { COMMAND_SCHEMAS } from './command-schema.ts';
import type { BackendSet } from './commands.ts';
import { decodeBackendSet } from './numbers-codec.ts';

const mostly = <T>(good: fc.Arbitrary<T>, odd: fc.Arbitrary<unknown>) =>
  fc.oneof({ arbitrary: good, weight: 9 }, { arbitrary: odd, weight: 1 });
const id = mostly(
  fc.constantFrom('api', 'b1', '0', 'a-b', 'a'.repeat(63)),
  fc.constantFrom('', '-a', 'A', 'a'.repeat(64), 'ä'),
);
const text = mostly(
  fc.constantFrom('', 'alice', '127.0.0.1', '::1', 'a b~', 'x'.repeat(1_024)),
  fc.oneof(fc.constantFrom('x'.repeat(1_025), 'ä', '"', '\\', '\u007f', '\n'), fc.string({ unit: 'binary' })),
);
const integer = mostly(
  fc.constantFrom(0, 1, 10, 999, 1_000),
  fc.constantFrom(-1, -0, 1_001, 1e15, 1e21, 0.5, Number.MAX_SAFE_INTEGER, null, '1'),
);
const ifMatch = mostly(fc.nat(), integer);
const state = mostly(fc.constantFrom('enabled', 'draining', 'maintenance'), fc.constantFrom('up', '', null));
const fields = { pool: id, id, weight: integer, state, author: text, source: text, ifMatch };
const command = fc.oneof(
  fc.record(fields, { requiredKeys: ['pool', 'id', 'author', 'source'] }),
  fc.record({ ...fields, key: text, extra: text }, { requiredKeys: [] }),
);
const bytes = command.map((draft) => encodeCommand({ v: 1, type: 'backend.set', ...draft } as unknown as BackendSet));
/** One byte changed, put in or cut off. */
const damaged = fc
  .tuple(
    bytes,
    fc.nat(),
    fc.constantFrom(...Array.from('0129 eE+-.,:"\\{}ax\0\x80')),
    fc.constantFrom(0, 1),
    fc.boolean(),
  )
  .map(([whole, place, unit, removed, isCut]) => {
    const at = place % whole.length;
    const rest = isCut ? [] : whole.subarray(at + removed);
    return Uint8Array.from([...whole.subarray(0, at), unit.charCodeAt(0), ...rest]);
  });

function parsed(data: Uint8Array): unknown {
  const faults = new Faults();
  const value = checkShape(COMMAND_SCHEMAS['backend.set'], JSON.parse(new TextDecoder().decode(data)), faults);
  return { value, faults: faults.all() };
}

it('reads nothing but what is right, and the same', () => {
  let taken = 0;
  fc.assert(
    fc.property(fc.oneof(bytes, damaged), (data) => {
      const value = decodeBackendSet(data);
      if (value === null) return;
      taken += 1;
      expect({ value, faults: [] }).toEqual(parsed(data));
    }),
    { numRuns: 5_000 },
  );
  expect(taken).toBeGreaterThan(500);
});

it.each<Partial<BackendSet>>([
  { weight: 0, author: '', source: '127.0.0.1' },
  { weight: 1_000, state: 'draining', author: 'token:alice', source: '::1', ifMatch: 123_456_789 },
  { state: 'maintenance' },
  {},
])('reads what the API proposes: %j', (draft) => {
  const one: BackendSet = { v: 1, type: 'backend.set', pool: 'api', id: 'b1', ...draft };
  // Twice: the second time its texts are known.
  for (let time = 0; time < 2; time++) expect(decodeBackendSet(encodeCommand(one))).toEqual(one);
});

it('leaves to the parser what needs one', () => {
  const one = { v: 1, type: 'backend.set', pool: 'api', id: 'b1' } as const;
  for (const more of [{ key: 'k' }, { author: 'ä' }, { author: '"' }, { weight: 1_001 }, { ifMatch: 1e15 }])
    expect(decodeBackendSet(encodeCommand({ ...one, ...more }))).toBeNull();
  for (const odd of ['', '{', '{"v":1,"type":"tick"}', `${JSON.stringify(one)} `])
    expect(decodeBackendSet(new TextEncoder().encode(odd))).toBeNull();
});
