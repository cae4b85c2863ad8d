/** What people and programs get to see. */
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { renderDiff } from './diff.ts';
import { duration, renderList, renderRecord, renderValue } from './render.ts';

const plain = (text: string): string => stripVTControlCharacters(text).replaceAll(/ +$/gm, '');

describe('tables', () => {
  it('shows a list with columns for people and the whole value for programs', () => {
    const value = { items: [{ id: 'b1', verdict: 'up' }], revision: 3 };
    const columns = [
      { title: 'id', of: (row: { id: string }) => row.id },
      { title: 'missing', of: () => null },
    ];
    expect(plain(renderList('table', { value, rows: value.items, columns }))).toBe('ID  MISSING\nb1  -');
    expect(JSON.parse(renderList('json', { value, rows: value.items, columns }))).toEqual(value);
    expect(renderList('yaml', { value, rows: value.items, columns })).toContain('revision: 3');
  });

  it('says so where there is nothing', () => {
    expect(plain(renderList('table', { value: {}, rows: [], columns: [] }))).toBe('(none)');
  });

  it('shows one thing as names and values', () => {
    expect(plain(renderRecord('table', {}, [['leader', 'n1']]))).toBe('leader  n1');
    expect(renderValue('json', { a: 1 })).toBe('{\n  "a": 1\n}');
  });
});

it('shows times as people read them', () => {
  expect([3, 4_500, 300_000, 9_000_000, undefined].map(duration)).toEqual(['3 ms', '4.5 s', '5 min', '2.5 h', '-']);
});

describe('differences', () => {
  it('marks what is added, removed and changed, and what it touches', () => {
    const diff = {
      changes: [
        { path: 'pools.api.backends.b1.weight', before: 50, after: 70 },
        { path: 'pools.new', after: { name: 'new' } },
        { path: 'pools.old', before: 'x' },
      ],
      impact: { poolsChanged: ['api'], listenersClosed: [], keysMoved: [{ pool: 'api', ratio: 0.3333 }] },
    };
    expect(plain(renderDiff(diff)).split('\n')).toEqual([
      '~ pools.api.backends.b1.weight: 50 → 70',
      '+ pools.new: {"name":"new"}',
      '- pools.old: "x"',
      '  pools changed: api',
      '  keys moved: api 33.3 %',
    ]);
  });

  it('is empty where nothing differs', () => {
    expect(renderDiff(undefined)).toBe('');
    expect(renderDiff({ changes: [], impact: { poolsChanged: [] } })).toBe('');
  });
});
