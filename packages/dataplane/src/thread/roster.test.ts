/** Who is there, whatever comes and goes between. */
import { expect, test } from 'vitest';
import { Roster } from './roster.ts';
import type { Placed } from './roster.ts';

interface Named extends Placed {
  readonly name: string;
}

function named(...names: string[]): Named[] {
  return names.map((name) => ({ name, position: -1 }));
}

test('has what was added and not removed, from any place', () => {
  const roster = new Roster<Named>();
  const all = named('first', 'middle', 'last', 'later');
  for (const one of all.slice(0, 3)) roster.add(one);
  for (const one of all.slice(0, 2)) roster.remove(one);
  roster.add(all[3] as Named);
  expect(roster.all().map(({ name }) => name)).toEqual(['last', 'later']);
  roster.remove(all[2] as Named);
  roster.remove(all[3] as Named);
  expect(roster.count).toBe(0);
});

test('removes nothing twice', () => {
  const roster = new Roster<Named>();
  const [one, other] = named('one', 'other') as [Named, Named];
  roster.add(one);
  roster.add(other);
  expect([roster.remove(one), roster.remove(one)]).toEqual([true, false]);
  expect(roster.all()).toEqual([other]);
});

test('leaves alone who is in another one', () => {
  const [roster, other] = [new Roster<Named>(), new Roster<Named>()];
  const [here, there] = named('here', 'there') as [Named, Named];
  roster.add(here);
  other.add(there);
  expect(roster.remove(there)).toBe(false);
  expect([roster.all(), other.all()]).toEqual([[here], [there]]);
});

test('can lose some while they are gone through', () => {
  const roster = new Roster<Named>();
  for (const one of named('a', 'b', 'c')) roster.add(one);
  const seen: string[] = [];
  for (const one of roster.all()) {
    seen.push(one.name);
    roster.remove(one);
  }
  expect(seen).toEqual(['a', 'b', 'c']);
});
