/**
 * Snapshots in the store: chunks under a generation, made current by one pointer. A reader keeps its generation alive; a
 * transfer that broke off is resumed at the last whole chunk.
 */
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import type { SnapshotMeta } from '../core/types.ts';
import { RaftError } from '../driver/errors.ts';
import type { SnapshotSink } from '../driver/ports.ts';
import { COMPLETE_MAX_COUNT, DELETES_PER_BATCH_COUNT, SNAPSHOT_CHUNK_BYTES } from './limits.ts';
import { chunkKey, decodeChunk, encodeChunk, encodeSnapshot, KEY } from './records.ts';
import type { SnapshotRecord } from './records.ts';
import type { Database, Operation } from './host.ts';
import type { WriteLane } from './write-lane.ts';

const sameSnapshot = (a: SnapshotMeta, b: SnapshotMeta): boolean =>
  a.index === b.index && a.term === b.term && a.checksum === b.checksum && a.sizeBytes === b.sizeBytes;

export class SnapshotStore {
  readonly #database: Database;
  readonly #lane: WriteLane;
  #current: SnapshotRecord | null;
  #receiving: SnapshotRecord | null;
  /** Complete and verified, oldest first; `install` may still ask for any of them. */
  #complete: SnapshotRecord[] = [];
  #lastGeneration: number;
  readonly #readers = new Map<number, number>();
  readonly #obsolete = new Set<number>();

  constructor(options: {
    readonly database: Database;
    readonly lane: WriteLane;
    readonly current: SnapshotRecord | null;
    readonly receiving: SnapshotRecord | null;
    readonly generations: ReadonlySet<number>;
  }) {
    this.#database = options.database;
    this.#lane = options.lane;
    this.#current = options.current;
    this.#receiving = options.receiving;
    const known = [options.current?.generation ?? 0, options.receiving?.generation ?? 0];
    this.#lastGeneration = Math.max(...known, ...options.generations);
    for (const generation of options.generations) if (!known.includes(generation)) this.#retire(generation);
  }

  get current(): SnapshotMeta | null {
    return this.#current?.meta ?? null;
  }

  /** Writes a snapshot and makes it current, unless a newer one became so meanwhile. Answers the current one. */
  async save(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>): Promise<SnapshotMeta> {
    const generation = ++this.#lastGeneration;
    const writer = new ChunkWriter(this.#lane, generation, 0, createHash('sha256'));
    for await (const chunk of chunks) await writer.add(chunk);
    await writer.flush();
    const saved = { ...meta, sizeBytes: writer.sizeBytes, checksum: writer.hash.digest('hex') };
    const before = this.#current;
    if (before !== null && before.meta.index >= meta.index) {
      this.#retire(generation);
      return before.meta;
    }
    const record = { generation, meta: saved, chunkCount: writer.count };
    this.#current = record;
    // Pointers pass the lane in the order in which they are decided: one installed meanwhile is written after this one.
    await this.#lane.write([{ type: 'put', key: KEY.snapshot, value: encodeSnapshot(record) }], 'urgent');
    if (before) this.#retire(before.generation);
    return saved;
  }

  async receive(meta: SnapshotMeta): Promise<SnapshotSink> {
    if (meta.checksum === undefined) throw new RaftError('DAMAGED', 'the offered snapshot has no checksum');
    const hash = createHash('sha256');
    let count = 0;
    let sizeBytes = 0;
    const held = this.#receiving;
    const resumed = held !== null && sameSnapshot(held.meta, meta);
    const record = resumed ? held : { generation: ++this.#lastGeneration, meta, chunkCount: 0 };
    if (resumed) {
      for (; ; count++) {
        const key = chunkKey(record.generation, count);
        const value = await this.#database.get(key);
        if (value === undefined) break;
        const bytes = decodeChunk(key, value);
        // A short chunk is the last one; anything else would shift the offsets of what follows.
        if (bytes.length !== SNAPSHOT_CHUNK_BYTES && sizeBytes + bytes.length !== meta.sizeBytes) break;
        hash.update(bytes);
        sizeBytes += bytes.length;
      }
    } else {
      this.#receiving = record;
      if (held && !this.#isComplete(held)) this.#retire(held.generation);
      await this.#lane.write([{ type: 'put', key: KEY.receiving, value: encodeSnapshot(record) }], 'background');
    }
    const writer = new ChunkWriter(this.#lane, record.generation, count, hash, sizeBytes);
    return {
      offsetBytes: sizeBytes,
      write: (chunk) => {
        if (writer.sizeBytes + chunk.length > meta.sizeBytes) throw new RaftError('DAMAGED', 'snapshot is too long');
        return writer.add(chunk);
      },
      finish: async () => {
        await writer.flush();
        if (writer.sizeBytes !== meta.sizeBytes || writer.hash.digest('hex') !== meta.checksum) {
          await this.#forgetReceiving(record);
          throw new RaftError('DAMAGED', `received snapshot ${meta.index} is not what was announced`);
        }
        this.#keep({ ...record, chunkCount: writer.count });
      },
    };
  }

  /** Operations that make a received snapshot the current one. */
  install(meta: SnapshotMeta): Operation[] {
    const at = this.#complete.findIndex((one) => sameSnapshot(one.meta, meta));
    const record = this.#complete[at];
    if (record === undefined) {
      throw new RaftError('DISK', `snapshot ${meta.index} is to be installed, but was not received`);
    }
    const before = this.#current;
    this.#current = { ...record, meta };
    const obsolete = this.#complete.splice(0, at + 1).slice(0, -1);
    for (const { generation } of before ? [...obsolete, before] : obsolete) this.#retire(generation);
    const operations: Operation[] = [{ type: 'put', key: KEY.snapshot, value: encodeSnapshot(this.#current) }];
    // The next one may be arriving already.
    if (this.#receiving?.generation === record.generation) {
      this.#receiving = null;
      operations.push({ type: 'del', key: KEY.receiving });
    }
    return operations;
  }

  async *read(meta: SnapshotMeta, offsetBytes: number): AsyncIterable<Uint8Array> {
    const record = this.#current;
    if (record === null || record.meta.index !== meta.index || record.meta.term !== meta.term) {
      throw new RaftError('TIMEOUT', `snapshot ${meta.index} is not the current one any more`);
    }
    const { generation, chunkCount } = record;
    this.#readers.set(generation, (this.#readers.get(generation) ?? 0) + 1);
    try {
      let skipBytes = offsetBytes;
      for (let number = 0; number < chunkCount; number++) {
        if (skipBytes >= SNAPSHOT_CHUNK_BYTES) {
          skipBytes -= SNAPSHOT_CHUNK_BYTES;
          continue;
        }
        const key = chunkKey(generation, number);
        const value = await this.#database.get(key);
        if (value === undefined) throw new RaftError('DAMAGED', `snapshot ${meta.index} misses chunk ${number}`);
        yield decodeChunk(key, value).subarray(skipBytes);
        skipBytes = 0;
      }
    } finally {
      const readers = (this.#readers.get(generation) ?? 1) - 1;
      if (readers > 0) this.#readers.set(generation, readers);
      else this.#readers.delete(generation);
      if (this.#obsolete.has(generation)) this.#retire(generation);
    }
  }

  #isComplete(record: SnapshotRecord): boolean {
    return this.#complete.some((one) => one.generation === record.generation);
  }

  /** A snapshot that waits for `install` outlives the arrival of the next one, not of the one after that. */
  #keep(record: SnapshotRecord): void {
    if (this.#isComplete(record)) return;
    this.#complete.push(record);
    for (const { generation } of this.#complete.splice(0, this.#complete.length - COMPLETE_MAX_COUNT)) {
      this.#retire(generation);
    }
  }

  async #forgetReceiving(record: SnapshotRecord): Promise<void> {
    this.#receiving = null;
    await this.#lane.write([{ type: 'del', key: KEY.receiving }], 'background');
    this.#retire(record.generation);
  }

  /** Deletes a generation in the background, once nobody reads it. */
  #retire(generation: number): void {
    if ((this.#readers.get(generation) ?? 0) > 0) {
      this.#obsolete.add(generation);
      return;
    }
    this.#obsolete.delete(generation);
    // A failure here is a failure of the lane: the next append meets it and ends the node.
    this.#deleteChunks(generation).catch(() => undefined);
  }

  async #deleteChunks(generation: number): Promise<void> {
    const range = { gte: chunkKey(generation, 0), lt: chunkKey(generation + 1, 0) };
    for (;;) {
      const keys = await this.#database.keys({ ...range, limit: DELETES_PER_BATCH_COUNT }).all();
      if (keys.length === 0) return;
      await this.#lane.write(
        keys.map((key): Operation => ({ type: 'del', key })),
        'background',
      );
    }
  }
}

/** Cuts a stream into chunks of one size and writes them, each durable before the next. */
class ChunkWriter {
  readonly hash: Hash;
  sizeBytes: number;
  count: number;
  readonly #lane: WriteLane;
  readonly #generation: number;
  #parts: Uint8Array[] = [];
  #held = 0;

  // oxlint-disable-next-line max-params -- positions of one stream, used in this file only
  constructor(lane: WriteLane, generation: number, count: number, hash: Hash, sizeBytes = 0) {
    this.#lane = lane;
    this.#generation = generation;
    this.count = count;
    this.hash = hash;
    this.sizeBytes = sizeBytes;
  }

  async add(chunk: Uint8Array): Promise<void> {
    this.sizeBytes += chunk.length;
    let rest = chunk;
    while (this.#held + rest.length >= SNAPSHOT_CHUNK_BYTES) {
      const head = rest.subarray(0, SNAPSHOT_CHUNK_BYTES - this.#held);
      rest = rest.subarray(head.length);
      this.#parts.push(head);
      this.#held += head.length;
      await this.flush();
    }
    if (rest.length > 0) {
      // Copied: the caller may reuse its buffer while this waits for more.
      this.#parts.push(Uint8Array.from(rest));
      this.#held += rest.length;
    }
  }

  async flush(): Promise<void> {
    if (this.#held === 0) return;
    const bytes = Buffer.concat(this.#parts, this.#held);
    this.#parts = [];
    this.#held = 0;
    this.hash.update(bytes);
    const key = chunkKey(this.#generation, this.count++);
    await this.#lane.write([{ type: 'put', key, value: encodeChunk(key, bytes) }], 'background');
  }
}
