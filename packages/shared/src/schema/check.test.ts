/** The walk is total: whatever it is given, it answers, and it asks no object for anything that the object made itself. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { checkShape, Faults } from './check.ts';
import { ConfigSchema } from './config.ts';
import { PoolSchema } from './pool.ts';

it('does not ask objects for their own text', () => {
  const faults = new Faults();
  checkShape(PoolSchema, { name: 'api', algorithm: { toString: 1, valueOf: 2 }, backends: [] }, faults);
  expect(faults.all()).toEqual([expect.objectContaining({ path: 'algorithm' })]);
});

it('answers anything, under any names', () => {
  const names = fc.constantFrom(
    'toString',
    'valueOf',
    '__proto__',
    'constructor',
    'hasOwnProperty',
    'length',
    'toJSON',
  );
  const fields = fc.constantFrom(
    'listeners',
    'pools',
    'backends',
    'routes',
    'algorithm',
    'protocol',
    'name',
    'tags',
    'match',
  );
  const anything = fc.anything({ key: fc.oneof(names, fields), maxDepth: 5, withNullPrototype: true });
  const pools = fc.record({
    pools: fc.array(fc.record({ algorithm: anything, health: anything, backends: anything })),
  });
  fc.assert(
    fc.property(fc.oneof(anything, pools), (value) => {
      const faults = new Faults();
      checkShape(ConfigSchema, value, faults);
      expect(Array.isArray(faults.all())).toBe(true);
    }),
    { numRuns: 500 },
  );
});
