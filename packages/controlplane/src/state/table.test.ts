/** One table against a plain model: sums that are made late are those that would have been made at once. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rowText, Table } from './table.ts';

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const step = fc.oneof(
  fc.record({ op: fc.constant('set' as const), key, value: fc.oneof(fc.integer(), fc.string({ unit: 'grapheme' })) }),
  fc.record({ op: fc.constant('delete' as const), key }),
  fc.record({ op: fc.constantFrom('drop' as const, 'look' as const) }),
);

/** The same rows, hashed one by one as they are set. */
function atOnce(model: ReadonlyMap<string, unknown>): { lo: number; hi: number; bytes: number } {
  const table = new Table<unknown>('rows');
  let bytes = 0;
  for (const [name, value] of model) {
    table.set(name, value);
    ({ bytes } = table);
  }
  return { lo: table.lo, hi: table.hi, bytes };
}

function compare(table: Table<unknown>, model: ReadonlyMap<string, unknown>): void {
  expect({ lo: table.lo, hi: table.hi, bytes: table.bytes }).toEqual(atOnce(model));
}

test('sums, sizes and ages are those of the rows, whenever somebody looks', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const table = new Table<unknown>('rows');
      const model = new Map<string, unknown>();
      for (const one of steps) {
        if (one.op === 'set') {
          table.set(one.key, one.value);
          model.set(one.key, one.value);
        } else if (one.op === 'delete') {
          const was = [table.delete(one.key), model.delete(one.key)];
          if (was[0] !== was[1]) throw new Error(`${one.key} was ${was[1] ? '' : 'not '}there`);
        } else if (one.op === 'drop') {
          const oldest = table.oldestKey();
          const expected = model.keys().next().value;
          if (oldest !== expected) throw new Error(`the oldest key is ${expected}, not ${oldest}`);
          if (oldest !== undefined) table.delete(oldest);
          model.delete(expected ?? '');
        } else {
          compare(table, model);
        }
      }
      const bytes = [...model].reduce((sum, [name, value]) => sum + Buffer.byteLength(rowText(name, value)), 0);
      expect([table.bytes, table.size, [...table.keys()]]).toEqual([bytes, model.size, [...model.keys()]]);
      compare(table, model);
    }),
  );
});
