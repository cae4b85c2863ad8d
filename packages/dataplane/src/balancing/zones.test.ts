/** When work stays in its own zone, and when it does not. */
import { expect, test } from 'vitest';
import { splitByZone } from './zones.ts';

const members = (weights: Record<string, number>) =>
  Object.entries(weights).map(([zone, weight]) => ({ zone, weight }));
const split = (weights: Record<string, number>, own: string) =>
  splitByZone(members(weights), own, (member) => member).map((group) => group.map(({ zone }) => zone));

test.each([
  [
    'an own zone that carries its part serves alone, the others stand by',
    { a: 100, b: 100, c: 100 },
    'b',
    [['b'], ['a', 'c']],
  ],
  ['half of the average is just enough', { a: 50, b: 150 }, 'a', [['a'], ['b']]],
  ['less than half is not', { a: 49, b: 151 }, 'a', [['a', 'b']]],
  ['no backend in the own zone', { a: 100, b: 100 }, 'c', [['a', 'b']]],
  ['a node without a zone', { a: 100, b: 100 }, '', [['a', 'b']]],
  ['one zone only', { a: 100 }, 'a', [['a']]],
])('%s', (_name, weights, own, expected) => {
  expect(split(weights as Record<string, number>, own)).toEqual(expected);
});
