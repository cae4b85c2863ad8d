/** Who is among the open connections, whatever comes and goes between. */
import { expect, test } from 'vitest';
import { OpenConnections } from './open-connections.ts';
import type { Placed } from './open-connections.ts';

interface Named extends Placed {
  readonly name: string;
}

function named(...names: string[]): Named[] {
  return names.map((name) => ({ name, position: -1 }));
}

test('has what was added and not removed, from any place', () => {
  const open = new OpenConnections<Named>();
  const all = named('first', 'middle', 'last', 'later');
  for (const one of all.slice(0, 3)) open.add(one);
  for (const one of all.slice(0, 2)) open.remove(one);
  open.add(all[3] as Named);
  expect(open.all().map(({ name }) => name)).toEqual(['last', 'later']);
  open.remove(all[2] as Named);
  open.remove(all[3] as Named);
  expect(open.count).toBe(0);
});

test('removes nothing twice', () => {
  const open = new OpenConnections<Named>();
  const [one, other] = named('one', 'other') as [Named, Named];
  open.add(one);
  open.add(other);
  open.remove(one);
  open.remove(one);
  expect(open.all()).toEqual([other]);
});

test('can lose connections while they are gone through', () => {
  const open = new OpenConnections<Named>();
  for (const one of named('a', 'b', 'c')) open.add(one);
  const seen: string[] = [];
  for (const one of open.all()) {
    seen.push(one.name);
    open.remove(one);
  }
  expect(seen).toEqual(['a', 'b', 'c']);
});
