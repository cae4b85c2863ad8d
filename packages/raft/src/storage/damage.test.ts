/**
 * A store that was damaged while nobody looked: one bit flipped, or a file cut, at offsets spread over every file. It must
 * be right or refuse; to be silently wrong is the one thing that it may not do.
 */
import { cp, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Recovered } from '../driver/ports.ts';
import { RaftError } from '../driver/errors.ts';
import { batch, chunksOf, collect, CONF, entries, hard, IDENTITY, meta } from '../testing/storage-suite.ts';
import { openStorage } from './level-storage.ts';
import type { LevelStorage } from './level-storage.ts';

const OFFSETS_PER_FILE = 60;
const SNAPSHOT_BYTES = Buffer.alloc(300_000, 'state of the machine ');

let root = '';
let original = '';
let truth = '';
let lastIndex = 0;

/** Everything that a restart would build upon, as text. */
async function contents(storage: LevelStorage, recovered: Recovered): Promise<string> {
  const { snapshot, entries: list } = recovered;
  const state = snapshot ? (await collect(storage.readSnapshot(snapshot))).toString('hex') : '';
  const log = [...list].map((entry) => [
    entry.index,
    entry.term,
    entry.kind,
    entry.seq,
    Buffer.from(entry.data).toString(),
  ]);
  return JSON.stringify([recovered.identity, recovered.initialConf, recovered.hard, snapshot, log, state]);
}

async function opened(directory: string): Promise<{ readonly outcome: 'right' | 'wrong' | 'refused'; why: string }> {
  let storage: LevelStorage | null = null;
  try {
    const store = await openStorage({ directory });
    storage = store.storage;
    if (store.recovered.faults.length > 0) return { outcome: 'refused', why: store.recovered.faults.join('; ') };
    const found = await contents(storage, store.recovered);
    return { outcome: found === truth ? 'right' : 'wrong', why: found.slice(0, 400) };
  } catch (error) {
    if (error instanceof RaftError) return { outcome: 'refused', why: error.message };
    throw error;
  } finally {
    await storage?.close();
  }
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'raft-damage-'));
  original = join(root, 'original');
  const { storage } = await openStorage({ directory: original });
  await storage.initialise(IDENTITY, CONF);
  for (let at = 1; at <= 100; at += 4) {
    await storage.persist(
      batch({ hard: hard(1 + Math.floor(at / 30), at), append: entries(at, at + 3, 1 + Math.floor(at / 30)) }),
    );
  }
  await storage.saveSnapshot(meta(60, 2), chunksOf(SNAPSHOT_BYTES, 50_000), 40);
  await storage.close();
  // Opened again, LevelDB moves what is in its journal to tables: both kinds of file are damaged below.
  const second = await openStorage({ directory: original });
  await second.storage.persist(batch({ hard: hard(5, 98, 'n2#b'), truncateFrom: 99, append: entries(99, 110, 5) }));
  await second.storage.persist(batch({ hard: hard(6, 110), append: entries(111, 120, 6) }));
  await second.storage.close();
  const third = join(root, 'third');
  await cp(original, third, { recursive: true });
  const { storage: reader, recovered } = await openStorage({ directory: third });
  truth = await contents(reader, recovered);
  await reader.close();
  lastIndex = recovered.entries.at(-1)?.index ?? 0;
});

afterAll(async () => {
  await rm(root, { recursive: true });
});

/** Damages a copy at offsets spread over every file of the store and counts how it went. */
async function damageAll(damage: (file: string, offset: number) => Promise<void>): Promise<Record<string, number>> {
  const counts: Record<string, number> = { right: 0, refused: 0, wrong: 0 };
  const copy = join(root, 'copy');
  const files = (await readdir(join(original, 'db'))).filter((name) => name !== 'LOCK' && !name.startsWith('LOG'));
  for (const name of files) {
    const { size } = await stat(join(original, 'db', name));
    const step = Math.max(1, Math.floor(size / OFFSETS_PER_FILE));
    for (let offset = 0; offset < size; offset += step) {
      await cp(original, copy, { recursive: true });
      await damage(join(copy, 'db', name), offset);
      const { outcome, why } = await opened(copy);
      counts[outcome] = (counts[outcome] ?? 0) + 1;
      expect(outcome, `${name} at ${offset}: ${why}`).not.toBe('wrong');
      await rm(copy, { recursive: true });
    }
  }
  return counts;
}

test('the store that is damaged below is whole', () => {
  expect(lastIndex).toBe(120);
});

test('one bit flipped anywhere: right or refused', { timeout: 60_000 }, async () => {
  const counts = await damageAll(async (file, offset) => {
    const bytes = await readFile(file);
    bytes[offset] = (bytes[offset] ?? 0) ^ 0x10;
    await writeFile(file, bytes);
  });
  expect(counts.refused).toBeGreaterThan(20);
});

test('a file cut anywhere: right or refused', { timeout: 60_000 }, async () => {
  const counts = await damageAll((file, offset) => truncate(file, offset));
  expect(counts.refused).toBeGreaterThan(20);
});

test('a lost database is not taken for a new one', async () => {
  const copy = join(root, 'emptied');
  await cp(original, copy, { recursive: true });
  await rm(join(copy, 'db'), { recursive: true });
  expect(await opened(copy)).toMatchObject({ outcome: 'refused' });
});

test('a store with faults is not written any more', async () => {
  const copy = join(root, 'closed');
  await cp(original, copy, { recursive: true });
  await rm(join(copy, 'db'), { recursive: true });
  const { storage } = await openStorage({ directory: copy });
  await expect(storage.persist(batch({ hard: hard(9) }))).rejects.toMatchObject({ code: 'DAMAGED' });
  await expect(storage.initialise(IDENTITY, CONF)).rejects.toMatchObject({ code: 'DAMAGED' });
  await storage.close();
});

test('a second process is refused while the first has the store open', async () => {
  const directory = join(root, 'locked');
  const { storage } = await openStorage({ directory });
  await expect(openStorage({ directory })).rejects.toMatchObject({ code: 'DISK' });
  await storage.close();
});
