/** A store that was closed after a write failed: what it says of itself must not be more than what it holds. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { EMPTY_CONF } from '../core/types.ts';
import type { Entry } from '../core/types.ts';
import { databaseWith } from '../testing/database-with.ts';
import { levelHost } from './host.ts';
import type { StoreHost } from './host.ts';
import { LevelStorage, openStorage } from './level-storage.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'raft-failed-write-'));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

/** LevelDB on a real directory, whose disk is full from the given batch on. */
function fullFrom(batch: number): StoreHost {
  const host = levelHost(directory);
  const { database } = host;
  let batches = 0;
  return {
    ...host,
    database: databaseWith(database, (operations, options) => {
      batches += 1;
      return batches >= batch ? Promise.reject(new Error('no space left')) : database.batch(operations, options);
    }),
  };
}

const entry = (index: number): Entry => ({
  index,
  term: 1,
  kind: 0,
  stampMs: 0,
  origin: 'a#1',
  seq: index,
  data: Buffer.from('x'),
});

const write = (index: number) => ({
  hard: { term: 1, vote: null, commit: 0 },
  truncateFrom: null,
  append: [entry(index)],
  installSnapshot: null,
});

it('a write that failed is not vouched for: the store opens again with what it holds', async () => {
  const storage = new LevelStorage({ directory }, fullFrom(3));
  await storage.open();
  await storage.initialise({ clusterId: 'c', replica: 'a#1', format: 1, createdMs: 0 }, EMPTY_CONF);
  await storage.persist(write(1));
  await expect(storage.persist(write(2))).rejects.toThrow('no space left');
  await storage.close();

  const again = await openStorage({ directory });
  expect(again.recovered.faults).toEqual([]);
  expect([...again.recovered.entries].map(({ index }) => index)).toEqual([1]);
  await again.storage.close();
});
