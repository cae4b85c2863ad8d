/** Streams found by their ids, whichever of them have closed. */
import { expect, test } from 'vitest';
import { seededRandom } from '../testing/random.ts';
import { OpenStreams } from './open-streams.ts';

const SEED = 7;

test('finds every open stream and no other, whatever the order in which they close', () => {
  const random = seededRandom(SEED);
  const streams = new OpenStreams<{ id: number }>();
  const known = new Map<number, { id: number }>();
  for (let id = 1; id < 4_000; id += 2) {
    const stream = { id };
    streams.add(stream);
    known.set(id, stream);
    const closing = streams.all()[Math.floor(random() * streams.size)];
    if (closing === undefined || random() < 0.1) continue;
    known.delete(closing.id);
    expect([streams.remove(closing), streams.remove(closing)]).toEqual([true, false]);
  }
  expect(streams.all()).toEqual([...known.values()]);
  for (let id = 0; id < 4_010; id += 1) expect(streams.get(id)).toBe(known.get(id));
  streams.clear();
  expect([streams.size, streams.get(1)]).toEqual([0, undefined]);
});
