/**
 * What the store stands on: a database of sorted keys, a small file beside it, and the file system that holds both. The
 * one seam below the store's own logic, so that a simulator can put a disk of its own making there.
 */
import { mkdir, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Level } from 'level';
import { WRITE_BUFFER_BYTES } from './limits.ts';
import { readWitness, syncDirectory, writeWitness } from './witness.ts';
import type { Witness } from './witness.ts';

export type Operation =
  | { readonly type: 'put'; readonly key: Buffer; readonly value: Buffer }
  | { readonly type: 'del'; readonly key: Buffer };

export interface KeyRange {
  readonly gte: Buffer;
  readonly lt: Buffer;
}

/** The part of LevelDB (in the shape of abstract-level) that the store uses. */
export interface Database {
  readonly status: string;
  open(): Promise<void>;
  close(): Promise<void>;
  get(key: Buffer): Promise<Buffer | undefined>;
  /** Atomic; durable before it resolves where `sync`. */
  batch(operations: Operation[], options: { readonly sync: boolean }): Promise<void>;
  iterator(options: KeyRange & { readonly highWaterMarkBytes: number }): {
    nextv(count: number): Promise<[Buffer, Buffer][]>;
    close(): Promise<void>;
  };
  keys(options: KeyRange & { readonly limit?: number }): {
    next(): Promise<Buffer | undefined>;
    all(): Promise<Buffer[]>;
    seek(key: Buffer): void;
    close(): Promise<void>;
  };
}

export interface StoreHost {
  readonly database: Database;
  /** Makes the place that holds the store. Called before anything else. */
  prepare(): Promise<void>;
  /** The place and its parent are on disk too. Called once the database is open. */
  settle(): Promise<void>;
  readWitness(): Promise<Witness | null>;
  /** Atomic and durable. */
  writeWitness(witness: Witness): Promise<void>;
  freeBytes(): Promise<number>;
}

/** LevelDB in a directory of the real file system. */
export function levelHost(directory: string): StoreHost {
  return {
    database: new Level<Buffer, Buffer>(join(directory, 'db'), {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
      compression: false,
      writeBufferSize: WRITE_BUFFER_BYTES,
    }),
    prepare: async () => void (await mkdir(directory, { recursive: true })),
    async settle() {
      await syncDirectory(directory);
      await syncDirectory(dirname(directory));
    },
    readWitness: () => readWitness(directory),
    writeWitness: (witness) => writeWitness(directory, witness),
    async freeBytes() {
      const { bavail, bsize } = await statfs(directory);
      return bavail * bsize;
    },
  };
}
