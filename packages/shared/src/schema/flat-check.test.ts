/** Where the quick answer is yes, the thorough one has no fault and changes nothing. */
import fc from 'fast-check';
import Type from 'typebox';
import { expect, it } from 'vitest';
import { closed, id, oneOf, withDefault } from './build.ts';
import { checkShape, Faults } from './check.ts';
import { flatCheck } from './flat-check.ts';

const schema = closed({
  v: Type.Integer({ minimum: 1, maximum: 1 }),
  name: id('Name.'),
  text: Type.Optional(Type.String({ minLength: 1, maxLength: 3 })),
  weight: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000 })),
  state: Type.Optional(oneOf(['enabled', 'draining'])),
  force: Type.Optional(Type.Boolean()),
});

const scalar = fc.oneof(
  fc.constantFrom<unknown>(
    0,
    -0,
    1,
    1_000,
    1_001,
    1.5,
    NaN,
    '',
    'a',
    'abcd',
    'enabled',
    'UP',
    true,
    null,
    undefined,
    [],
  ),
  fc.anything({ maxDepth: 1 }),
);
const often = <T>(value: T) => fc.oneof({ arbitrary: fc.constant<unknown>(value), weight: 9 }, scalar);
const object = fc.record(
  {
    v: often(1),
    name: often('b1'),
    text: often('abc'),
    weight: often(5),
    state: often('draining'),
    force: often(false),
  },
  { requiredKeys: [] },
);
const stranger = fc
  .tuple(object, fc.constantFrom('other', 'toString', '__proto__'), scalar)
  .map(([base, name, value]) => Object.defineProperty({ ...base }, name, { value, enumerable: true }));

it('takes only what the walk takes as it is', () => {
  const fits = flatCheck(schema);
  let taken = 0;
  fc.assert(
    fc.property(fc.oneof({ arbitrary: object, weight: 4 }, stranger, scalar), (value) => {
      const faults = new Faults();
      const checked = checkShape(schema, value, faults);
      if (fits?.(value) !== true) return;
      taken += 1;
      expect(faults.all()).toEqual([]);
      const present = Object.entries(value as object).filter(([, field]) => field !== undefined);
      expect(checked).toStrictEqual(Object.fromEntries(present));
    }),
    { numRuns: 2_000 },
  );
  expect(taken).toBeGreaterThan(50);
});

it('leaves alone what is not flat, and what has defaults', () => {
  expect(flatCheck(closed({ list: Type.Array(Type.String()) }))).toBeNull();
  expect(flatCheck(closed({ any: Type.Unknown() }))).toBeNull();
  expect(flatCheck(closed({ weight: withDefault(Type.Integer(), 1) }))).toBeNull();
  expect(flatCheck(Type.Array(Type.String()))).toBeNull();
});
