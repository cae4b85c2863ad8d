/** The acceptance suite of stores, on the store in memory and on LevelDB. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Storage } from '../driver/ports.ts';
import { MemoryDisk, MemoryStorage } from '../testing/memory-storage.ts';
import { storageCases } from '../testing/storage-suite.ts';
import type { StorageSubject } from '../testing/storage-suite.ts';
import { LevelStorage } from './level-storage.ts';

async function levelSubject(): Promise<StorageSubject> {
  const directory = await mkdtemp(join(tmpdir(), 'raft-store-'));
  let open: Storage | null = null;
  return {
    restart: async () => {
      await open?.close();
      const storage = new LevelStorage({ directory });
      open = storage;
      return { storage, recovered: await storage.open() };
    },
    destroy: async () => {
      await open?.close();
      await rm(directory, { recursive: true });
    },
  };
}

function memorySubject(): Promise<StorageSubject> {
  const disk = new MemoryDisk();
  return Promise.resolve({
    restart: async () => {
      const storage = new MemoryStorage(disk);
      return { storage, recovered: await storage.open() };
    },
    destroy: () => Promise.resolve(),
  });
}

describe('LevelDB', () => {
  test.each(storageCases(levelSubject))('$name', async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});

describe('memory', () => {
  test.each(storageCases(memorySubject))('$name', async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});
