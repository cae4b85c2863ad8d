/** A ring of changes beside a plain table of the rows that are made of them: nobody can tell which one is asked. */
import type { BackendConfig } from '@flotilla/shared';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { auditRow, Change, historyRow, type Story, writeAuditRow, writeHistoryRow } from './change.ts';
import { JournalTable } from './journal-table.ts';
import { NumbersPlan } from './numbers-plan.ts';
import { type Section, Table } from './table.ts';

const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 8 }), fc.constantFrom('', 'alice', '\u001f', '→', '😀'));
const config: fc.Arbitrary<BackendConfig> = fc.record({
  id: text,
  address: text,
  weight: fc.nat(1_000),
  state: fc.constantFrom('enabled' as const, 'draining' as const, 'maintenance' as const),
  priority: fc.nat(100),
  tags: fc.dictionary(text, text, { maxKeys: 3 }),
});
const numbers = fc.tuple(text, config, fc.nat(1_000)).map(([pool, one, weight]) => {
  const row = { pool, config: one, slot: 0, enabledSinceMs: 0 };
  return new NumbersPlan(`${pool}/${one.id}`, row, { ...one, weight });
});
const story: fc.Arbitrary<Story> = fc.oneof(
  numbers,
  fc.record({ target: text, summary: text, undo: fc.constantFrom({}, { order: { pools: ['a'] } }) }),
  fc.record({ target: text, summary: text }),
);
const change = fc
  .record({ index: fc.nat(30), timeMs: fc.maxSafeInteger(), author: text, source: text, action: text })
  .chain((origin) =>
    fc.tuple(fc.nat(), story).map(([revision, one]) => new Change(origin, [revision, revision + 1], one)),
  );
const step = fc.oneof(
  { arbitrary: fc.record({ op: fc.constant('append' as const), change, later: fc.nat(3) }), weight: 6 },
  fc.record({ op: fc.constant('read' as const), change }),
  fc.record({ op: fc.constantFrom('drop' as const, 'digest' as const) }),
);

/** Everything that can be asked, the sums last: to ask for them is to hash. */
function picture(section: Section<unknown>, keys: readonly string[]): unknown {
  const rows = keys.map((key) => [section.has(key), JSON.stringify(section.get(key))]);
  const all = [...section.entries()].map((row) => JSON.stringify(row));
  const { size, bytes, lo, hi } = section;
  return [rows, all, [...section.keys()], JSON.stringify(section.capture()), size, bytes, lo, hi];
}

const KINDS = {
  history: { make: historyRow, write: writeHistoryRow },
  audit: { make: auditRow, write: writeAuditRow },
};

test.each(Object.entries(KINDS))('rows, sums and ages of %s are those of a table', (name, { make, write }) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const ring = new JournalTable<object>(name, make, write);
      const table = new Table<object>(name);
      const looks: unknown[] = [];
      const expected: unknown[] = [];
      let index = 0;
      for (const one of steps) {
        if (one.op === 'append') {
          // Mostly the next entry; also the same one again, and one from before.
          index = one.later === 0 ? one.change.index : index + one.later - 1;
          const next = new Change(
            Object.assign({}, one.change, { index }),
            [one.change.previousRevision, index],
            one.change.story,
          );
          ring.append(next, next.historyMaxBytes);
          table.set(String(index), make(next));
        } else if (one.op === 'read') {
          const row = JSON.parse(JSON.stringify(make(one.change))) as object;
          for (const section of [ring, table]) section.set(String(one.change.index), row);
        } else if (one.op === 'drop') {
          ring.deleteOldest();
          table.deleteOldest();
        }
        looks.push([
          one.op === 'digest' && [ring.lo, ring.hi],
          ring.exceeds(table.bytes),
          ring.exceeds(table.bytes - 1),
        ]);
        expected.push([one.op === 'digest' && [table.lo, table.hi], false, true]);
      }
      expect(looks).toEqual(expected);
      const keys = [...table.keys(), '31', '', '01', 'x'];
      expect(picture(ring, keys)).toEqual(picture(table, keys));
    }),
  );
});

test('a row is no longer than its change says', () => {
  fc.assert(
    fc.property(change, (one) => {
      expect(Buffer.byteLength(JSON.stringify([String(one.index), historyRow(one)]))).toBeLessThanOrEqual(
        one.historyMaxBytes,
      );
    }),
  );
});

test('it grows beyond its first size', () => {
  const ring = new JournalTable('audit', auditRow, writeAuditRow);
  const origin = { timeMs: 1, author: '', source: '', action: '' };
  for (let index = 1; index <= 3_000; index++)
    ring.append(new Change({ ...origin, index }, [0, index], { target: `t${index}`, summary: '' }), 0);
  for (let count = 0; count < 500; count++) ring.deleteOldest();
  expect([ring.size, [...ring.keys()][0], ring.get('3000')?.target]).toEqual([2_500, '501', 't3000']);
});

test('a key that is no index is refused', () => {
  const ring = new JournalTable('audit', auditRow, writeAuditRow);
  for (const key of ['', '01', 'x', '1.5']) expect(() => ring.set(key, {} as never)).toThrow('is no index');
});
