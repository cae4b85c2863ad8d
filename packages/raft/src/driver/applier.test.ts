/** Where digests are taken: at the same indexes on every replica, however entries arrive and however few there are. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EMPTY_CONF } from '../core/types.ts';
import type { Entry } from '../core/types.ts';
import { RecordingMachine } from '../testing/recording-machine.ts';
import { Applier } from './applier.ts';
import { systemClock } from './system.ts';

function entryAt(index: number, stampMs: number): Entry {
  const data = new TextEncoder().encode(String(index));
  return { index, term: 1, kind: 0, stampMs, origin: 'a#1', seq: index, data };
}

/** Applies entries in pieces of these lengths; answers the digests by index. */
async function checkpoints(entries: readonly Entry[], pieces: readonly number[]): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  let applied = 0;
  const applier = new Applier({
    stateMachine: new RecordingMachine(),
    clock: systemClock,
    metrics: {},
    digestEvery: 16,
    applied: 0,
    appliedTerm: 0,
    onEntries: () => undefined,
    onApplied: (index, digest) => {
      applied = index;
      if (digest !== '') found.set(index, digest);
    },
    restore: () => Promise.resolve(),
    isReplacing: () => false,
    onRestored: () => undefined,
    onError: (error) => {
      throw error;
    },
  });
  for (let at = 0, turn = 0; at < entries.length; turn++) {
    const count = pieces[turn % pieces.length] ?? 1;
    applier.add(entries.slice(at, at + count));
    at += count;
    applier.run();
  }
  while (applied < entries.length) await new Promise((resolve) => void setImmediate(resolve));
  return found;
}

test('digests are taken at every sixteenth index and where log time enters another half second', async () => {
  const stamps = [100, 200, 600, 700, 1_400, 1_400, 1_500];
  const entries = stamps.map((stampMs, at) => entryAt(at + 1, stampMs));
  expect([...(await checkpoints(entries, [7])).keys()]).toEqual([3, 5, 7]);
  const busy = Array.from({ length: 40 }, (_, at) => entryAt(at + 1, 5));
  expect([...(await checkpoints(busy, [40])).keys()]).toEqual([16, 32]);
});

test('the same digests at the same indexes, in pieces of any size', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(0, 0, 1, 300, 900), { minLength: 1, maxLength: 150 }),
      fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 5 }),
      async (waits, pieces) => {
        let stampMs = 0;
        const entries = waits.map((waitMs, at) => entryAt(at + 1, (stampMs += waitMs)));
        expect(await checkpoints(entries, pieces)).toEqual(await checkpoints(entries, [1]));
      },
    ),
  );
});

test('a restore that still waits gives way to a newer one: the store does not hold its snapshot any more', async () => {
  const restored: number[] = [];
  const applied: number[] = [];
  const applier = new Applier({
    stateMachine: new RecordingMachine(),
    clock: systemClock,
    metrics: {},
    digestEvery: 16,
    applied: 0,
    appliedTerm: 0,
    onEntries: () => undefined,
    onApplied: (index) => applied.push(index),
    restore: ({ index }) => Promise.resolve(void restored.push(index)),
    isReplacing: () => false,
    onRestored: () => undefined,
    onError: (error) => applied.push(Number(error)),
  });
  const snapshot = (index: number) => ({ index, term: 1, conf: EMPTY_CONF, digest: '', sizeBytes: 0 });
  applier.add([entryAt(1, 0)]);
  applier.restore(snapshot(10));
  applier.add([entryAt(11, 0)]);
  applier.restore(snapshot(20));
  applier.add([entryAt(21, 0)]);
  applier.run();
  while (applier.index < 21 && !applied.some(Number.isNaN)) await new Promise((resolve) => void setImmediate(resolve));
  expect(restored).toEqual([20]);
  expect(applied).toEqual([1, 20, 21]);
});
