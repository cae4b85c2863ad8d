/**
 * What every Storage must do, as named cases: run them with any test runner. `restart` answers a store that was opened
 * anew on the same disk, as after a crash or a stop.
 */
import assert from 'node:assert/strict';
import { EMPTY_CONF, EntryKind } from '../core/types.ts';
import type { ConfState, Entry, HardState, Index, SnapshotMeta, Term } from '../core/types.ts';
import type { PersistBatch, Recovered, Storage } from '../driver/ports.ts';

export interface StorageSubject {
  /** Closes the store that is open, if any, and opens the disk again. */
  restart(): Promise<{ readonly storage: Storage; readonly recovered: Recovered }>;
  destroy(): Promise<void>;
}

export interface NamedCase {
  readonly name: string;
  readonly run: () => Promise<void>;
}

export const CONF: ConfState = { ...EMPTY_CONF, voters: ['n1#a', 'n2#b', 'n3#c'] };
export const IDENTITY = { clusterId: 'c1', replica: 'n1#a', format: 1, createdMs: 1_700_000_000_000 };

function entry(index: Index, term: Term, text = `command ${index} of term ${term}`): Entry {
  return {
    index,
    term,
    kind: EntryKind.normal,
    stampMs: 1_700_000_000_000 + index,
    origin: 'n2#b',
    seq: 10_000_000_000 + index,
    data: Buffer.from(text),
  };
}

export function entries(from: Index, to: Index, term: Term): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => entry(from + i, term));
}

export function hard(term: Term, commit: Index = 0, vote: string | null = null): HardState {
  return { term, vote, commit };
}

export function batch(given: Partial<PersistBatch> & { readonly hard: HardState }): PersistBatch {
  return { truncateFrom: null, append: [], installSnapshot: null, ...given };
}

export async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    yield bytes.subarray(at, at + size);
    await Promise.resolve();
  }
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(Uint8Array.from(chunk));
  return Buffer.concat(parts);
}

export function meta(index: Index, term: Term): SnapshotMeta {
  return { index, term, conf: CONF, digest: 'd1', sizeBytes: 0 };
}

const bytesOf = (size: number): Buffer => Buffer.from(Array.from({ length: size }, (_, i) => (i * 31) % 251));
const plain = (list: Iterable<Entry>): unknown[] =>
  [...list].map((e) => ({ ...e, data: Buffer.from(e.data).toString() }));

type Scenario = (subject: StorageSubject) => Promise<void>;

/** A store that belongs to a cluster and holds these entries. */
async function prepared(subject: StorageSubject, list: readonly Entry[], term: Term): Promise<Storage> {
  const { storage } = await subject.restart();
  await storage.initialise(IDENTITY, CONF);
  await storage.persist(batch({ hard: hard(term), append: list }));
  return storage;
}

const SCENARIOS: Record<string, Scenario> = {
  'an empty store belongs to nobody and has no faults': async (subject) => {
    const { recovered } = await subject.restart();
    assert.equal(recovered.identity, null);
    assert.deepEqual(recovered.faults, []);
    assert.equal(recovered.firstIndex, 1);
    assert.deepEqual(recovered.hard, hard(0));
  },
  'a reserved replica id survives, and the first one wins': async (subject) => {
    const first = await subject.restart();
    assert.equal(await first.storage.reserveReplica('n1#a'), 'n1#a');
    const second = await subject.restart();
    assert.equal(second.recovered.reserved, 'n1#a');
    assert.equal(await second.storage.reserveReplica('n1#zzz'), 'n1#a');
  },
  'identity and first membership are written once': async (subject) => {
    const { storage } = await subject.restart();
    await storage.initialise(IDENTITY, CONF);
    await assert.rejects(() => storage.initialise(IDENTITY, CONF));
    const { recovered } = await subject.restart();
    assert.deepEqual(recovered.identity, IDENTITY);
    assert.deepEqual(recovered.initialConf, CONF);
    assert.deepEqual(recovered.faults, []);
  },
  'term, vote, commit and entries come back as they were': async (subject) => {
    const { storage } = await subject.restart();
    await storage.initialise(IDENTITY, CONF);
    const noop: Entry = { ...entry(1, 3), kind: EntryKind.noop, origin: '', seq: 0, data: new Uint8Array(0) };
    await storage.persist(batch({ hard: hard(3, 0, 'n3#c'), append: [noop, ...entries(2, 700, 3)] }));
    await storage.persist(batch({ hard: hard(4, 650, 'n2#b'), append: entries(701, 702, 4) }));
    const { recovered } = await subject.restart();
    assert.deepEqual(recovered.faults, []);
    assert.deepEqual(recovered.hard, hard(4, 650, 'n2#b'));
    assert.deepEqual(plain(recovered.entries), plain([noop, ...entries(2, 700, 3), ...entries(701, 702, 4)]));
  },
  'a write of hard state alone keeps the log': async (subject) => {
    const storage = await prepared(subject, entries(1, 5, 1), 1);
    await storage.persist(batch({ hard: hard(9, 5, 'n1#a') }));
    const { recovered } = await subject.restart();
    assert.equal(recovered.entries.length, 5);
    assert.deepEqual(recovered.hard, hard(9, 5, 'n1#a'));
  },
  'truncation and what replaces it are one write': async (subject) => {
    const storage = await prepared(subject, entries(1, 10, 1), 1);
    await storage.persist(batch({ hard: hard(1), append: entries(11, 20, 1) }));
    await storage.persist(batch({ hard: hard(2), truncateFrom: 7, append: entries(7, 8, 2) }));
    const { recovered } = await subject.restart();
    assert.deepEqual(recovered.faults, []);
    assert.deepEqual(plain(recovered.entries), plain([...entries(1, 6, 1), ...entries(7, 8, 2)]));
  },
  'truncation at the first entry empties the log': async (subject) => {
    const storage = await prepared(subject, entries(1, 10, 1), 1);
    await storage.persist(batch({ hard: hard(2), truncateFrom: 1, append: entries(1, 1, 2) }));
    const { recovered } = await subject.restart();
    assert.deepEqual(recovered.faults, []);
    assert.deepEqual(plain(recovered.entries), plain(entries(1, 1, 2)));
  },
  'a gap is refused': async (subject) => {
    const storage = await prepared(subject, entries(1, 5, 1), 1);
    await assert.rejects(() => storage.persist(batch({ hard: hard(1), append: entries(7, 8, 1) })));
  },
  'two writes at once are refused': async (subject) => {
    const storage = await prepared(subject, entries(1, 2, 1), 1);
    const first = storage.persist(batch({ hard: hard(1), append: entries(3, 3, 1) }));
    await assert.rejects(() => storage.persist(batch({ hard: hard(1), append: entries(4, 4, 1) })));
    await first;
  },
  'a snapshot of its own becomes current and the log before it goes': async (subject) => {
    const { storage } = await subject.restart();
    await storage.initialise(IDENTITY, CONF);
    for (let at = 1; at <= 100; at += 10) {
      await storage.persist(batch({ hard: hard(2, at), append: entries(at, at + 9, 2) }));
    }
    const bytes = bytesOf(700_000);
    const saved = await storage.saveSnapshot(meta(80, 2), chunksOf(bytes, 33_333), 50);
    assert.equal(saved.sizeBytes, bytes.length);
    assert.ok(saved.checksum);
    const { storage: again, recovered } = await subject.restart();
    assert.deepEqual(recovered.faults, []);
    assert.deepEqual(recovered.snapshot, saved);
    assert.ok(recovered.firstIndex <= 51 && recovered.firstIndex > 1, `first index ${recovered.firstIndex}`);
    assert.equal(recovered.entries.at(-1)?.index, 100);
    assert.ok((await collect(again.readSnapshot(saved))).equals(bytes));
    assert.ok((await collect(again.readSnapshot(saved, 600_001))).equals(bytes.subarray(600_001)));
  },
  'a newer snapshot replaces the older one': async (subject) => {
    const storage = await prepared(subject, entries(1, 30, 1), 1);
    await storage.saveSnapshot(meta(10, 1), chunksOf(bytesOf(1000), 100), 0);
    const newer = await storage.saveSnapshot(meta(20, 1), chunksOf(bytesOf(2000), 100), 0);
    const older = await storage.saveSnapshot(meta(15, 1), chunksOf(bytesOf(10), 100), 0);
    assert.deepEqual(older, newer);
    const { recovered } = await subject.restart();
    assert.deepEqual(recovered.snapshot, newer);
    assert.deepEqual(recovered.faults, []);
  },
  'a received snapshot becomes current only when installed, and drops a log that conflicts': async (subject) => {
    const offered = await donor(subject, 600_000);
    const storage = await prepared(subject, entries(1, 30, 1), 1);
    const sink = await storage.receiveSnapshot(offered.meta);
    assert.equal(sink.offsetBytes, 0);
    for await (const chunk of chunksOf(offered.bytes, 40_000)) await sink.write(chunk);
    await sink.finish();
    await storage.persist(batch({ hard: hard(6, 50), installSnapshot: offered.meta }));
    await storage.persist(batch({ hard: hard(6, 51), append: entries(51, 52, 6) }));
    const { storage: again, recovered } = await subject.restart();
    assert.deepEqual(recovered.faults, []);
    assert.deepEqual(recovered.snapshot, offered.meta);
    assert.deepEqual(plain(recovered.entries), plain(entries(51, 52, 6)));
    assert.ok((await collect(again.readSnapshot(offered.meta))).equals(offered.bytes));
  },
  'a received snapshot that the log already contains keeps what follows': async (subject) => {
    const offered = await donor(subject, 1000);
    const storage = await prepared(subject, entries(1, 70, 5), 5);
    const sink = await storage.receiveSnapshot(offered.meta);
    await sink.write(offered.bytes);
    await sink.finish();
    await storage.persist(batch({ hard: hard(5, 50), installSnapshot: offered.meta }));
    const { recovered } = await subject.restart();
    assert.deepEqual(recovered.faults, []);
    assert.equal(recovered.entries.at(-1)?.index, 70);
  },
  'a transfer that broke off is resumed, also by another process': async (subject) => {
    const offered = await donor(subject, 1_000_000);
    const storage = await prepared(subject, entries(1, 3, 1), 1);
    const sink = await storage.receiveSnapshot(offered.meta);
    await sink.write(offered.bytes.subarray(0, 700_000));
    const { storage: again } = await subject.restart();
    const resumed = await again.receiveSnapshot(offered.meta);
    assert.ok(resumed.offsetBytes > 0 && resumed.offsetBytes <= 700_000, `resumes at ${resumed.offsetBytes}`);
    await resumed.write(offered.bytes.subarray(resumed.offsetBytes));
    await resumed.finish();
    await again.persist(batch({ hard: hard(6, 50), installSnapshot: offered.meta }));
    assert.ok((await collect(again.readSnapshot(offered.meta))).equals(offered.bytes));
  },
  'wrong bytes are refused and forgotten': async (subject) => {
    const offered = await donor(subject, 300_000);
    const storage = await prepared(subject, entries(1, 3, 1), 1);
    const sink = await storage.receiveSnapshot(offered.meta);
    const wrong = Buffer.from(offered.bytes);
    wrong[123] = (wrong[123] ?? 0) ^ 1;
    await sink.write(wrong);
    await assert.rejects(() => sink.finish());
    await assert.rejects(() => storage.persist(batch({ hard: hard(6, 50), installSnapshot: offered.meta })));
    const retry = await storage.receiveSnapshot(offered.meta);
    assert.equal(retry.offsetBytes, 0);
  },
};

/** A snapshot as a peer would offer it: at index 50 of term 5. */
async function donor(subject: StorageSubject, size: number): Promise<{ meta: SnapshotMeta; bytes: Buffer }> {
  const bytes = bytesOf(size);
  const { createHash } = await import('node:crypto');
  const checksum = createHash('sha256').update(bytes).digest('hex');
  await subject.restart();
  return { meta: { ...meta(50, 5), sizeBytes: size, checksum }, bytes };
}

export function storageCases(create: () => Promise<StorageSubject>): NamedCase[] {
  return Object.entries(SCENARIOS).map(([name, scenario]) => ({
    name,
    run: async () => {
      const subject = await create();
      try {
        await scenario(subject);
      } finally {
        await subject.destroy();
      }
    },
  }));
}
