/** Snapshots that meet a disk that fails, or one another. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import type { Event } from '../core/events.ts';
import { EMPTY_CONF } from '../core/types.ts';
import { levelHost } from '../storage/host.ts';
import type { Database } from '../storage/host.ts';
import { LevelStorage } from '../storage/level-storage.ts';
import { databaseWith } from '../testing/database-with.ts';
import { MemoryDisk, MemoryStorage } from '../testing/memory-storage.ts';
import { MemoryNetwork, MemoryTransport } from '../testing/memory-transport.ts';
import { RecordingMachine } from '../testing/recording-machine.ts';
import type { Storage } from './ports.ts';
import { Snapshots } from './snapshots.ts';
import { silentLogger, systemClock } from './system.ts';

/** LevelDB as it is, until `fails` says otherwise. */
function failing(database: Database, fails: () => boolean): Database {
  return databaseWith(database, (operations, options) =>
    fails() ? Promise.reject(new Error('no space left')) : database.batch(operations, options),
  );
}

function snapshotsOn(storage: Storage, seen: { readonly events: Event[]; readonly errors: unknown[] }): Snapshots {
  return new Snapshots({
    storage,
    transport: new MemoryTransport(new MemoryNetwork(), 'a#1'),
    stateMachine: new RecordingMachine(),
    clock: systemClock,
    logger: silentLogger,
    metrics: {},
    policy: { everyEntries: 1, everyLogBytes: 1, trailingEntries: 0, trailingBytes: 0 },
    index: 0,
    enqueue: (event) => seen.events.push(event),
    onError: (error) => seen.errors.push(error),
  });
}

test('a snapshot of its own that a received one overtook is not announced as the received one', async () => {
  const disk = new MemoryDisk();
  const storage = new MemoryStorage(disk);
  await storage.open();
  const bytes = Buffer.from('received');
  const checksum = createHash('sha256').update(bytes).digest('hex');
  const meta = { index: 50, term: 1, conf: EMPTY_CONF, digest: '', sizeBytes: bytes.length, checksum };
  const sink = await storage.receiveSnapshot(meta);
  await sink.write(bytes);
  await sink.finish();
  const seen = { events: [], errors: [] };
  let goOn: (() => void) | null = null;
  disk.beforeWrite = () => new Promise((resolve) => (goOn = resolve));
  const saving = snapshotsOn(storage, seen).save(20, 1, EMPTY_CONF);
  await waitFor('its write', () => goOn !== null);
  disk.beforeWrite = () => Promise.resolve();
  await storage.persist({
    hard: { term: 1, vote: null, commit: 50 },
    truncateFrom: null,
    append: [],
    installSnapshot: meta,
  });
  (goOn as (() => void) | null)?.();
  await saving;
  expect(seen).toEqual({ events: [], errors: [] });
});

test('a disk that cannot take a snapshot ends the node, instead of refusing the sender for ever', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'raft-snapshots-'));
  let full = false;
  const host = levelHost(directory);
  const storage = new LevelStorage({ directory }, { ...host, database: failing(host.database, () => full) });
  await storage.open();
  await storage.initialise({ clusterId: 'c', replica: 'a#1', format: 1, createdMs: 0 }, EMPTY_CONF);
  const errors: unknown[] = [];
  const snapshots = snapshotsOn(storage, { events: [], errors });
  full = true;
  const meta = { index: 1, term: 1, conf: EMPTY_CONF, digest: '', sizeBytes: 1, checksum: 'x' };
  const received = snapshots.receive({
    from: 'b#1',
    term: 1,
    meta,
    chunks: (async function* () {
      yield await Promise.resolve(new Uint8Array(1));
    })(),
    resumeAt: () => undefined,
  });
  await expect(received).rejects.toMatchObject({ code: 'DISK' });
  expect(errors).toEqual([expect.objectContaining({ code: 'DISK' })]);
  await storage.close();
  await rm(directory, { recursive: true });
});
