/**
 * Snapshots that are saved, received and installed at the same time. The store takes one batch at a time and appends
 * overtake the rest, so each pointer must be right whatever overtakes what; here every batch waits until it is let through.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import type { SnapshotMeta } from '../core/types.ts';
import type { Recovered, SnapshotSink } from '../driver/ports.ts';
import { databaseWith } from '../testing/database-with.ts';
import { batch, chunksOf, collect, CONF, entries, hard, IDENTITY, meta } from '../testing/storage-suite.ts';
import { levelHost } from './host.ts';
import type { StoreHost } from './host.ts';
import { LevelStorage, openStorage } from './level-storage.ts';
import { SNAPSHOT_CHUNK_BYTES } from './limits.ts';

let directory: string;
let storage: LevelStorage;
let waiting: (() => void)[] = [];
let held = false;

/** LevelDB on a real directory, whose batches wait while `held`. */
function gated(): StoreHost {
  const host = levelHost(directory);
  const { database } = host;
  return {
    ...host,
    database: databaseWith(database, async (operations, options) => {
      if (held) await new Promise<void>((resolve) => waiting.push(resolve));
      return database.batch(operations, options);
    }),
  };
}

/** The batch that waits goes through; resolves when the next one waits, or the store is idle. */
async function step(): Promise<void> {
  await waitFor('a batch', () => waiting.length > 0);
  waiting.shift()?.();
}

function release(): void {
  held = false;
  for (const resume of waiting.splice(0)) resume();
}

/** As after a crash: what did not reach the disk never will. */
async function crash(database: StoreHost['database']): Promise<Recovered> {
  await database.close();
  const again = await openStorage({ directory });
  await again.storage.close();
  return again.recovered;
}

function offer(index: number, term: number, fill: string): { meta: SnapshotMeta; bytes: Buffer } {
  const bytes = Buffer.alloc(SNAPSHOT_CHUNK_BYTES, fill);
  const checksum = createHash('sha256').update(bytes).digest('hex');
  return { bytes, meta: { ...meta(index, term), sizeBytes: bytes.length, checksum } };
}

async function receive(offered: ReturnType<typeof offer>): Promise<SnapshotSink> {
  const sink = await storage.receiveSnapshot(offered.meta);
  await sink.write(offered.bytes);
  await sink.finish();
  return sink;
}

const install = (offered: SnapshotMeta): Promise<void> =>
  storage.persist(batch({ hard: hard(6, offered.index), installSnapshot: offered }));

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'raft-overlap-'));
  [waiting, held] = [[], false];
});

afterEach(() => rm(directory, { recursive: true, force: true }));

async function opened(): Promise<StoreHost['database']> {
  const host = gated();
  storage = new LevelStorage({ directory }, host);
  await storage.open();
  await storage.initialise(IDENTITY, CONF);
  for (let at = 1; at <= 30; at += 3) await storage.persist(batch({ hard: hard(5), append: entries(at, at + 2, 5) }));
  return host.database;
}

it('a snapshot of its own whose pointer is still to be written does not take the place of one installed meanwhile', async () => {
  const database = await opened();
  const [first, second] = [offer(50, 6, 'a'), offer(60, 6, 'b')];
  await receive(first);
  held = true;
  const saving = storage.saveSnapshot(meta(20, 5), chunksOf(Buffer.from('own'), 3), 0);
  await waitFor('its chunk', () => waiting.length === 1);
  const other = storage.receiveSnapshot(second.meta);
  await step();
  await waitFor('the pointer of the other', () => waiting.length === 1);
  const installing = install(first.meta);
  await new Promise((resolve) => setImmediate(resolve));
  release();
  await Promise.all([saving, other, installing]);
  const recovered = await crash(database);
  expect(recovered.faults).toEqual([]);
  expect(recovered.snapshot?.index).toBe(50);
});

it('a snapshot that waits to be installed stays whole when the next one begins to arrive', async () => {
  const database = await opened();
  const [first, second] = [offer(50, 6, 'a'), offer(60, 6, 'b')];
  await receive(first);
  const sink = await storage.receiveSnapshot(second.meta);
  await sink.write(second.bytes);
  // What would be deleted is deleted behind the next write.
  await storage.persist(batch({ hard: hard(5) }));
  await install(first.meta);
  expect((await collect(storage.readSnapshot(first.meta))).equals(first.bytes)).toBe(true);
  await sink.finish();
  await install(second.meta);
  await storage.persist(batch({ hard: hard(6, 60), append: entries(61, 61, 6) }));
  const recovered = await crash(database);
  expect(recovered.faults).toEqual([]);
  expect(recovered.snapshot?.index).toBe(60);
});

it('an installed snapshot that overtakes compaction leaves no old blocks behind', async () => {
  const database = await opened();
  const [first, second] = [offer(50, 6, 'a'), offer(60, 6, 'b')];
  await receive(first);
  held = true;
  const saving = storage.saveSnapshot(meta(20, 5), chunksOf(Buffer.from('own'), 3), 15);
  await step();
  await waitFor('the pointer', () => waiting.length === 1);
  const other = storage.receiveSnapshot(second.meta);
  await step();
  await waitFor('the pointer of the other, in front of the deletions', () => waiting.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const installing = install(first.meta);
  await new Promise((resolve) => setImmediate(resolve));
  await step();
  await other;
  await step();
  await installing;
  const recovered = await crash(database);
  expect(recovered.faults).toEqual([]);
  expect(recovered.snapshot?.index).toBe(50);
  release();
  await saving.catch(() => undefined);
});
