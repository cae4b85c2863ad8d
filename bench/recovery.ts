/**
 * How long a node takes from opening its store to having applied all of it, and how long it holds its event loop meanwhile.
 *
 *   ./scripts/with-node node bench/recovery.ts [--entries 1000000] [--snapshotMb 200]
 *
 * Two stores are built and opened again, each by the only voter of its group: one with so many log entries of 100 bytes
 * and no snapshot, one with a snapshot of that size. The state machine does next to nothing, so that store, log and driver
 * are what is measured. `longest hold` is the largest gap between two turns of a timer that asks for one every 2 ms.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { crc32 } from 'node:zlib';
import { EntryKind, LevelStorage, RaftNode, TcpTransport } from '@flotilla/raft';
import type { ConfState, Entry, SnapshotMeta, StateMachine } from '@flotilla/raft';

const { values } = parseArgs({
  options: {
    entries: { type: 'string', default: '1000000' },
    snapshotMb: { type: 'string', default: '200' },
  },
});

const REPLICA = 'n1#bench';
const CLUSTER = 'bench';
const CONF: ConfState = { voters: [REPLICA], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
const ENTRY_BYTES = 100;
const PERSIST_COUNT = 4_096;
const CHUNK = Buffer.alloc(256 * 1024, 'flotilla ');
const CHUNKS_PER_MB = 4;

/** Counts entries and sums up the bytes of snapshots. */
class Sink implements StateMachine {
  applied = 0;
  #digest = 0;

  apply(entries: readonly Entry[]): readonly unknown[] {
    this.applied = entries.at(-1)?.index ?? this.applied;
    return entries;
  }

  digest(): string {
    return this.#digest.toString(16);
  }

  capture(): { sizeBytes: number; digest: string; chunks: AsyncIterable<Uint8Array> } {
    return { sizeBytes: 0, digest: this.digest(), chunks: chunks(0) };
  }

  async restore(meta: SnapshotMeta, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    this.#digest = 0;
    for await (const chunk of bytes) this.#digest = crc32(chunk, this.#digest);
    this.applied = meta.index;
  }
}

async function* chunks(count: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < count; at += 1) yield await Promise.resolve(CHUNK);
}

async function build(directory: string, fill: (storage: LevelStorage) => Promise<void>): Promise<void> {
  const storage = new LevelStorage({ directory });
  await storage.open();
  await storage.initialise({ clusterId: CLUSTER, replica: REPLICA, format: 1, createdMs: 0 }, CONF);
  await fill(storage);
  await storage.close();
}

async function withEntries(storage: LevelStorage): Promise<void> {
  const data = Buffer.alloc(ENTRY_BYTES, 'x');
  const count = Number(values.entries);
  for (let from = 1; from <= count; from += PERSIST_COUNT) {
    const append = Array.from({ length: Math.min(PERSIST_COUNT, count - from + 1) }, (_, at) => {
      const index = from + at;
      return { index, term: 1, kind: EntryKind.normal, stampMs: index, origin: REPLICA, seq: index, data };
    });
    const commit = append.at(-1)?.index ?? 0;
    await storage.persist({
      hard: { term: 1, vote: REPLICA, commit },
      truncateFrom: null,
      append,
      installSnapshot: null,
    });
  }
}

async function withSnapshot(storage: LevelStorage): Promise<void> {
  const count = Number(values.snapshotMb) * CHUNKS_PER_MB;
  let digest = 0;
  for (let at = 0; at < count; at += 1) digest = crc32(CHUNK, digest);
  const entry = { term: 1, kind: EntryKind.normal, stampMs: 1, origin: REPLICA, seq: 1, data: Buffer.alloc(1) };
  const hard = { term: 1, vote: REPLICA, commit: 1 };
  await storage.persist({ hard, truncateFrom: null, append: [{ ...entry, index: 1 }], installSnapshot: null });
  const meta = { index: 1, term: 1, conf: CONF, digest: digest.toString(16), sizeBytes: count * CHUNK.length };
  await storage.saveSnapshot(meta, chunks(count), 0);
}

/** Watches the loop; answers the longest time that it was held. */
function watchLoop(): () => number {
  let lastMs = performance.now();
  let longestMs = 0;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - lastMs);
    lastMs = nowMs;
  }, 2);
  return () => {
    clearInterval(timer);
    return longestMs;
  };
}

async function start(directory: string, index: number): Promise<object> {
  const longest = watchLoop();
  const startedMs = performance.now();
  const storage = new LevelStorage({ directory });
  const recovered = await storage.open();
  const openedMs = performance.now();
  const machine = new Sink();
  const listen = { host: '127.0.0.1', port: 0 };
  const transport = new TcpTransport({ listen, clusterName: 'b', clusterId: CLUSTER, replica: REPLICA, secret: 's' });
  const node = new RaftNode({ storage, recovered, transport, stateMachine: machine, snapshots: { everyEntries: 1e9 } });
  await node.open();
  while (machine.applied < index) await new Promise((resolve) => void setTimeout(resolve, 5));
  const doneMs = performance.now();
  await new Promise((resolve) => void setTimeout(resolve, 10));
  const holdMs = longest();
  await node.close({ transfer: false });
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  return {
    'store opened': seconds(openedMs - startedMs),
    'all applied': seconds(doneMs - startedMs),
    'longest hold of the loop': `${holdMs.toFixed(0)} ms`,
    memory: `${Math.round(process.memoryUsage().rss / 1e6)} MB`,
  };
}

const root = mkdtempSync(join(tmpdir(), 'flotilla-recovery-'));
try {
  const [log, snapshot] = [join(root, 'log'), join(root, 'snapshot')];
  await build(log, withEntries);
  await build(snapshot, withSnapshot);
  console.table({
    [`${values.entries} entries`]: await start(log, Number(values.entries)),
    [`snapshot of ${values.snapshotMb} MiB`]: await start(snapshot, 1),
  });
} finally {
  rmSync(root, { recursive: true, force: true });
}
