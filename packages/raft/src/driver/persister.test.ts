/** Group commit: what waits is merged into one write with the same outcome, and nothing is released before it is durable. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import type { Entry, Index } from '../core/types.ts';
import { EntryKind } from '../core/types.ts';
import { MemoryDisk, MemoryStorage } from '../testing/memory-storage.ts';
import { CONF, IDENTITY } from '../testing/storage-suite.ts';
import { merge, Persister } from './persister.ts';
import type { Persist } from './persister.ts';
import { systemClock } from './system.ts';

function entries(from: Index, count: number, term: number): Entry[] {
  return Array.from({ length: count }, (_, i) => ({
    index: from + i,
    term,
    kind: EntryKind.normal,
    stampMs: 0,
    origin: '',
    seq: 0,
    data: new Uint8Array(0),
  }));
}

/** Writes as a follower may get them: each appends after some point of the log, cutting what conflicts. */
function writes(plan: readonly { readonly back: number; readonly count: number }[]): Persist[] {
  let last = 0;
  return plan.map(({ back, count }, i) => {
    const from = Math.max(1, last - back + 1);
    const cut = from <= last;
    last = from + count - 1;
    return {
      type: 'persist',
      io: i + 1,
      hard: { term: i + 1, vote: null, commit: 0 },
      truncateFrom: cut ? from : null,
      append: entries(from, count, i + 1),
      installSnapshot: null,
      release: [],
    };
  });
}

const log = (disk: MemoryDisk): string => disk.entries.map(({ index, term }) => `${index}:${term}`).join(' ');

async function stored(disk: MemoryDisk): Promise<MemoryStorage> {
  const storage = new MemoryStorage(disk);
  await storage.open();
  await storage.initialise(IDENTITY, CONF);
  return storage;
}

test('a merged write leaves what the single ones leave', async () => {
  const plan = fc.array(fc.record({ back: fc.nat({ max: 6 }), count: fc.integer({ min: 1, max: 5 }) }), {
    minLength: 1,
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(plan, async (steps) => {
      const [one, other] = [new MemoryDisk(), new MemoryDisk()];
      const single = await stored(one);
      for (const write of writes(steps)) await single.persist(write);
      await (await stored(other)).persist(merge(writes(steps)));
      expect(log(other)).toBe(log(one));
      expect(other.hard).toEqual(one.hard);
    }),
  );
});

test('what waits during a write goes into the next one, and effects come in order, after it', async () => {
  const disk = new MemoryDisk();
  const storage = await stored(disk);
  let batches = 0;
  let open: () => void = () => undefined;
  disk.beforeWrite = () => {
    batches++;
    return new Promise((resolve) => {
      open = resolve;
    });
  };
  const durable: number[] = [];
  const persister = new Persister({
    storage,
    clock: systemClock,
    metrics: {},
    onDurable: (effects) => durable.push(...effects.map(({ io }) => io)),
    onError: () => undefined,
  });
  for (const write of writes(Array.from({ length: 10 }, () => ({ back: 0, count: 1 })))) persister.add(write);
  expect(durable).toEqual([]);
  open();
  await waitFor('the first write', () => durable.length === 1 && batches === 2);
  open();
  await waitFor('the others', () => durable.length === 10);
  expect(durable).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(batches).toBe(2);
  await persister.idle();
});

test('a barrier waits for the writes before it and writes nothing', async () => {
  const disk = new MemoryDisk();
  const storage = await stored(disk);
  let batches = 0;
  disk.beforeWrite = () => {
    batches++;
    return Promise.resolve();
  };
  const durable: number[] = [];
  const persister = new Persister({
    storage,
    clock: systemClock,
    metrics: {},
    onDurable: (effects) => durable.push(...effects.map(({ io }) => io)),
    onError: () => undefined,
  });
  const [write] = writes([{ back: 0, count: 1 }]);
  if (write === undefined) throw new Error('nothing to write');
  persister.add(write);
  persister.add({ ...write, io: 2, append: [], barrier: true });
  expect(durable).toEqual([]);
  await waitFor('both', () => durable.length === 2);
  expect(durable).toEqual([1, 2]);
  expect(batches).toBe(1);
  persister.add({ ...write, io: 3, append: [], barrier: true });
  expect(durable).toEqual([1, 2, 3]);
});

test('after a failed write nothing is written or released any more', async () => {
  const disk = new MemoryDisk();
  const storage = await stored(disk);
  disk.beforeWrite = () => Promise.reject(new Error('EIO'));
  const durable: number[] = [];
  const errors: unknown[] = [];
  const persister = new Persister({
    storage,
    clock: systemClock,
    metrics: {},
    onDurable: (effects) => durable.push(...effects.map(({ io }) => io)),
    onError: (error) => errors.push(error),
  });
  const list = writes([
    { back: 0, count: 1 },
    { back: 0, count: 1 },
  ]);
  for (const write of list) persister.add(write);
  await waitFor('the error', () => errors.length > 0);
  await persister.idle();
  expect(errors).toHaveLength(1);
  expect(durable).toEqual([]);
});
