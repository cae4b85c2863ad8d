/**
 * A store in memory with the promises of the real one. The disk outlives the store, so that a node can be "restarted"; it
 * can be told to be slow or to fail. It models no torn or reordered writes: the simulator has a disk for that.
 */
import { createHash } from 'node:crypto';
import { EMPTY_CONF } from '../core/types.ts';
import type { ConfState, Entry, HardState, Index, ReplicaId, SnapshotMeta } from '../core/types.ts';
import { RaftError } from '../driver/errors.ts';
import type { Identity, PersistBatch, Recovered, SnapshotSink, Storage } from '../driver/ports.ts';

interface StoredSnapshot {
  readonly meta: SnapshotMeta;
  readonly bytes: Buffer;
}

/** What survives a restart. */
export class MemoryDisk {
  identity: Identity | null = null;
  reserved: ReplicaId | null = null;
  conf: ConfState = EMPTY_CONF;
  hard: HardState = { term: 0, vote: null, commit: 0 };
  entries: Entry[] = [];
  snapshot: StoredSnapshot | null = null;
  receiving: { readonly meta: SnapshotMeta; parts: Buffer[] } | null = null;
  freeBytes = 2 ** 40;
  /** Called before each write: may wait or throw. */
  beforeWrite: () => Promise<void> = () => Promise.resolve();
  /** The process that had it open is gone: a later store may open it. */
  inUse: MemoryStorage | null = null;
}

export class MemoryStorage implements Storage {
  readonly #disk: MemoryDisk;
  #persisting = false;
  #received: StoredSnapshot | null = null;

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
  }

  open(): Promise<Recovered> {
    const disk = this.#disk;
    disk.inUse = this;
    const { identity, hard, snapshot, entries, conf, reserved } = disk;
    return Promise.resolve({
      identity,
      hard,
      snapshot: snapshot?.meta ?? null,
      entries: [...entries],
      firstIndex: entries[0]?.index ?? (snapshot?.meta.index ?? 0) + 1,
      faults: [],
      initialConf: conf,
      reserved,
    });
  }

  async reserveReplica(replica: ReplicaId): Promise<ReplicaId> {
    await this.#write();
    if (this.#disk.identity) throw new Error('the store belongs to a cluster already');
    this.#disk.reserved ??= replica;
    return this.#disk.reserved;
  }

  async initialise(identity: Identity, conf: ConfState): Promise<void> {
    await this.#write();
    if (this.#disk.identity) throw new Error('the store belongs to a cluster already');
    this.#disk.identity = identity;
    this.#disk.conf = conf;
    this.#disk.reserved = null;
  }

  async persist(batch: PersistBatch): Promise<void> {
    if (this.#persisting) throw new Error('two persists at once');
    this.#persisting = true;
    try {
      await this.#write();
      const disk = this.#disk;
      if (batch.installSnapshot) this.#install(batch.installSnapshot);
      const { truncateFrom } = batch;
      if (truncateFrom !== null) disk.entries = disk.entries.filter((entry) => entry.index < truncateFrom);
      for (const entry of batch.append) {
        const last = disk.entries.at(-1)?.index ?? Math.max(disk.snapshot?.meta.index ?? 0, entry.index - 1);
        if (disk.entries.length === 0 && entry.index !== (disk.snapshot?.meta.index ?? 0) + 1) {
          throw new Error(`entry ${entry.index} does not follow the snapshot`);
        }
        if (entry.index !== last + 1) throw new Error(`entry ${entry.index} does not follow ${last}`);
        disk.entries.push(entry);
      }
      disk.hard = batch.hard;
    } finally {
      this.#persisting = false;
    }
  }

  async saveSnapshot(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>, compactTo: Index): Promise<SnapshotMeta> {
    const parts: Uint8Array[] = [];
    for await (const chunk of chunks) parts.push(Uint8Array.from(chunk));
    await this.#write();
    const disk = this.#disk;
    if (disk.snapshot && disk.snapshot.meta.index >= meta.index) return disk.snapshot.meta;
    const bytes = Buffer.concat(parts);
    disk.snapshot = { meta: { ...meta, sizeBytes: bytes.length, checksum: checksum(bytes) }, bytes };
    // The last entry stays, as in the real store.
    disk.entries = disk.entries.filter((entry, i) => entry.index > compactTo || i === disk.entries.length - 1);
    return disk.snapshot.meta;
  }

  receiveSnapshot(meta: SnapshotMeta): Promise<SnapshotSink> {
    const disk = this.#disk;
    const held = disk.receiving;
    const same = held !== null && held.meta.checksum === meta.checksum && held.meta.index === meta.index;
    const receiving = same ? held : { meta, parts: [] as Buffer[] };
    disk.receiving = receiving;
    return Promise.resolve({
      offsetBytes: Buffer.concat(receiving.parts).length,
      write: async (chunk: Uint8Array) => {
        await this.#write();
        receiving.parts.push(Buffer.from(chunk));
      },
      finish: () => {
        const bytes = Buffer.concat(receiving.parts);
        if (bytes.length !== meta.sizeBytes || checksum(bytes) !== meta.checksum) {
          disk.receiving = null;
          return Promise.reject(new RaftError('DAMAGED', `received snapshot ${meta.index} is not what was announced`));
        }
        this.#received = { meta, bytes };
        return Promise.resolve();
      },
    });
  }

  async *readSnapshot(meta: SnapshotMeta, offsetBytes = 0): AsyncIterable<Uint8Array> {
    const snapshot = this.#disk.snapshot;
    await Promise.resolve();
    if (snapshot === null || snapshot.meta.index !== meta.index) {
      throw new RaftError('TIMEOUT', `snapshot ${meta.index} is not the current one any more`);
    }
    const partBytes = 64 * 1024;
    for (let at = offsetBytes; at < snapshot.bytes.length; at += partBytes) {
      yield snapshot.bytes.subarray(at, at + partBytes);
    }
  }

  freeBytes(): Promise<number> {
    return Promise.resolve(this.#disk.freeBytes);
  }

  close(): Promise<void> {
    if (this.#disk.inUse === this) this.#disk.inUse = null;
    return Promise.resolve();
  }

  async #write(): Promise<void> {
    await this.#disk.beforeWrite();
    // A store whose process was "killed" must not write into its successor's disk.
    if (this.#disk.inUse !== this) throw new RaftError('DISK', 'the store is closed');
  }

  #install(meta: SnapshotMeta): void {
    const disk = this.#disk;
    const received = this.#received;
    if (received === null || received.meta.checksum !== meta.checksum || received.meta.index !== meta.index) {
      throw new RaftError('DISK', `snapshot ${meta.index} is to be installed, but was not received`);
    }
    const at = disk.entries.find((entry) => entry.index === meta.index);
    if (at?.term !== meta.term) disk.entries = [];
    disk.snapshot = { meta, bytes: received.bytes };
    disk.receiving = null;
    this.#received = null;
  }
}

function checksum(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
