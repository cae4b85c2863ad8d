/** Receiving a snapshot on a disk that fails. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EMPTY_CONF } from '../core/types.ts';
import { levelHost } from '../storage/host.ts';
import type { Database } from '../storage/host.ts';
import { LevelStorage } from '../storage/level-storage.ts';
import { MemoryNetwork, MemoryTransport } from '../testing/memory-transport.ts';
import { RecordingMachine } from '../testing/recording-machine.ts';
import { Snapshots } from './snapshots.ts';
import { silentLogger, systemClock } from './system.ts';

/** LevelDB as it is, until `fails` says otherwise. */
function failing(database: Database, fails: () => boolean): Database {
  return {
    get status() {
      return database.status;
    },
    open: () => database.open(),
    close: () => database.close(),
    get: (key) => database.get(key),
    iterator: (options) => database.iterator(options),
    keys: (options) => database.keys(options),
    batch: (operations, options) =>
      fails() ? Promise.reject(new Error('no space left')) : database.batch(operations, options),
  };
}

test('a disk that cannot take a snapshot ends the node, instead of refusing the sender for ever', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'raft-snapshots-'));
  let full = false;
  const host = levelHost(directory);
  const storage = new LevelStorage({ directory }, { ...host, database: failing(host.database, () => full) });
  await storage.open();
  await storage.initialise({ clusterId: 'c', replica: 'a#1', format: 1, createdMs: 0 }, EMPTY_CONF);
  const errors: unknown[] = [];
  const snapshots = new Snapshots({
    storage,
    transport: new MemoryTransport(new MemoryNetwork(), 'a#1'),
    stateMachine: new RecordingMachine(),
    clock: systemClock,
    logger: silentLogger,
    metrics: {},
    policy: { everyEntries: 1, everyLogBytes: 1, trailingEntries: 0 },
    index: 0,
    enqueue: () => undefined,
    onError: (error) => errors.push(error),
  });
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
