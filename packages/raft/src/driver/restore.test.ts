/** Snapshots that are installed faster than a slow state machine takes them in. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '@flotilla/shared/testing';
import { expect, test } from 'vitest';
import type { SnapshotMeta } from '../core/types.ts';
import { levelHost } from '../storage/host.ts';
import type { Database } from '../storage/host.ts';
import { LevelStorage, openStorage } from '../storage/level-storage.ts';
import { KEY } from '../storage/records.ts';
import { databaseWith } from '../testing/database-with.ts';
import { MemoryNetwork, MemoryTransport } from '../testing/memory-transport.ts';
import { RecordingMachine } from '../testing/recording-machine.ts';
import { chunksOf, CONF, IDENTITY } from '../testing/storage-suite.ts';
import { RaftNode } from './raft-node.ts';

/** Ends a restore when it is told to. */
class SlowMachine extends RecordingMachine {
  started = 0;
  #goOn: (() => void)[] = [];

  override async restore(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    this.started++;
    await super.restore(meta, chunks);
    await new Promise<void>((resolve) => this.#goOn.push(resolve));
  }

  goOn(): void {
    for (const resolve of this.#goOn.splice(0)) resolve();
  }
}

/** LevelDB whose writes of the snapshot pointer wait while `holds` says so. */
function gated(database: Database, holds: () => Promise<void> | null): Database {
  return databaseWith(database, async (operations, options) => {
    if (operations.some(({ type, key }) => type === 'put' && key.equals(KEY.snapshot))) await holds();
    return database.batch(operations, options);
  });
}

function snapshotAt(index: number): { readonly meta: SnapshotMeta; readonly bytes: Buffer } {
  const commands = [`state at ${index}`];
  const machine = new RecordingMachine();
  const data = Buffer.from(commands[0] ?? '');
  machine.apply([{ index, term: 1, kind: 0, stampMs: 0, origin: '', seq: 0, data }]);
  const bytes = Buffer.from(JSON.stringify(commands));
  const checksum = createHash('sha256').update(bytes).digest('hex');
  return {
    bytes,
    meta: { index, term: 1, conf: CONF, digest: machine.digest(), sizeBytes: bytes.length, checksum },
  };
}

test('a snapshot that waits to be restored while the next is being written leaves the place to that one', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'raft-restore-'));
  let held: Promise<void> | null = null;
  let letThrough = (): void => undefined;
  let pointers = 0;
  const { storage: former } = await openStorage({ directory });
  await former.initialise(IDENTITY, CONF);
  await former.close();
  const host = levelHost(directory);
  const database = gated(host.database, () => {
    pointers++;
    return held;
  });
  const storage = new LevelStorage({ directory }, { ...host, database });
  const recovered = await storage.open();

  const network = new MemoryNetwork();
  const peer = new MemoryTransport(network, 'n2#b');
  await peer.start({
    onMessage: () => undefined,
    onLinkUp: () => undefined,
    onLinkDown: () => undefined,
    onSnapshot: () => Promise.resolve(),
  });
  const machine = new SlowMachine();
  const transport = new MemoryTransport(network, IDENTITY.replica);
  const node = new RaftNode({
    storage,
    recovered,
    transport,
    stateMachine: machine,
    core: { firstElectionMinMs: 60_000, firstElectionMaxMs: 60_001, electionMinMs: 60_000, electionMaxMs: 60_001 },
  });
  let halted: unknown = null;
  node.on('halt', (error) => (halted = error));
  await node.open();
  const send = ({ meta, bytes }: ReturnType<typeof snapshotAt>): Promise<void> =>
    peer.sendSnapshot(IDENTITY.replica, 1, meta, (offset) => chunksOf(bytes.subarray(offset), 10));

  await send(snapshotAt(10));
  await waitFor('the first to be restored', () => machine.started === 1);
  await send(snapshotAt(20));
  await waitFor('the second to be in force', () => node.status().snapshotIndex === 20);
  held = new Promise((resolve) => (letThrough = resolve));
  await send(snapshotAt(30));
  await waitFor('the third to be written', () => pointers === 3);
  machine.goOn();
  await waitFor('the first to be in place', () => node.status().applied === 10);
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  letThrough();
  await waitFor('the last', () => {
    machine.goOn();
    return halted !== null || node.status().applied === 30;
  });
  expect(halted).toBeNull();
  expect(machine.commands).toEqual(['state at 30']);
  await node.close({ transfer: false });
  await rm(directory, { recursive: true });
});
