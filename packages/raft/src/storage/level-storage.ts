/**
 * The LevelDB store of one replica: log in blocks, hard state in every batch, snapshots in chunks. All writes are synced
 * and pass one lane; what is read at `open` is verified, and a store with faults says so instead of guessing.
 */
import { resolve } from 'node:path';
import { errorText } from '@flotilla/shared';
import { entryBytes } from '../codec/entries.ts';
import type { ConfState, Entry, HardState, Index, ReplicaId, SnapshotMeta, Term } from '../core/types.ts';
import { RaftError } from '../driver/errors.ts';
import type { Identity, PersistBatch, Recovered, SnapshotSink, Storage } from '../driver/ports.ts';
import { levelHost } from './host.ts';
import type { Database, Operation, StoreHost } from './host.ts';
import { BLOCK_MAX_BYTES, DELETES_PER_BATCH_COUNT } from './limits.ts';
import { LogIndex } from './log-index.ts';
import { blockKey, decodeBlock, encodeBlock, encodeHard, encodeIdentity, encodeReserved, KEY } from './records.ts';
import { recover } from './recover.ts';
import { SnapshotStore } from './snapshot-store.ts';
import { WriteLane } from './write-lane.ts';

export interface LevelStorageOptions {
  /** Data directory; created where it does not exist. One process at a time. */
  readonly directory: string;
}

const NO_HARD: HardState = { term: 0, vote: null, commit: 0 };

export class LevelStorage implements Storage {
  readonly #directory: string;
  readonly #host: StoreHost;
  readonly #database: Database;
  readonly #lane: WriteLane;
  #log = new LogIndex();
  #snapshots: SnapshotStore | null = null;
  #identity: Identity | null = null;
  #reserved: ReplicaId | null = null;
  #batch = 0;
  /** Last batch that is surely durable: the one under way may never be, and one that failed least of all. */
  #durableBatch = 0;
  #lastIndex: Index = 0;
  /** Term of the entry (or snapshot) at `#lastIndex`. */
  #lastTerm: Term = 0;
  #persisting = false;
  #compaction: Promise<void> = Promise.resolve();
  #opened = false;
  #sound = false;

  /** `host`: what to stand on instead of LevelDB in that directory. */
  constructor(options: LevelStorageOptions, host: StoreHost = levelHost(resolve(options.directory))) {
    this.#directory = resolve(options.directory);
    this.#host = host;
    this.#database = host.database;
    this.#lane = new WriteLane(this.#database);
  }

  async open(): Promise<Recovered> {
    if (this.#opened) throw new Error('the store is opened once');
    this.#opened = true;
    await this.#host.prepare();
    const witness = await this.#host.readWitness();
    try {
      await this.#database.open();
    } catch (error) {
      throw openError(error, this.#directory);
    }
    await this.#host.settle();
    const store = await recover(this.#database, witness).catch((error: unknown) => {
      throw new RaftError('DAMAGED', `the store cannot be read: ${errorText(error)}`, { cause: error });
    });
    const { recovered } = store;
    this.#log = store.log;
    this.#batch = store.batch;
    this.#durableBatch = store.batch;
    this.#identity = recovered.identity;
    this.#reserved = recovered.reserved;
    const end = recovered.entries.at(-1) ?? recovered.snapshot;
    this.#lastIndex = end?.index ?? 0;
    this.#lastTerm = end?.term ?? 0;
    this.#sound = recovered.faults.length === 0;
    if (!this.#sound) return recovered;
    const { database, lane } = { database: this.#database, lane: this.#lane };
    const { snapshot: current, receiving, generations } = store;
    this.#snapshots = new SnapshotStore({ database, lane, current, receiving, generations });
    if (witness === null && this.#identity !== null) await this.#writeWitness();
    return recovered;
  }

  async reserveReplica(replica: ReplicaId): Promise<ReplicaId> {
    this.#assertSound();
    if (this.#identity) throw new Error('the store belongs to a cluster already');
    if (this.#reserved) return this.#reserved;
    await this.#lane.write([{ type: 'put', key: KEY.reserved, value: encodeReserved(replica) }], 'urgent');
    this.#reserved = replica;
    return replica;
  }

  async initialise(identity: Identity, conf: ConfState): Promise<void> {
    this.#assertSound();
    if (this.#identity) throw new Error('the store belongs to a cluster already');
    await this.#lane.write(
      [
        { type: 'put', key: KEY.identity, value: encodeIdentity({ identity, conf }) },
        { type: 'put', key: KEY.hard, value: this.#hardValue(NO_HARD) },
        { type: 'del', key: KEY.reserved },
      ],
      'urgent',
    );
    this.#identity = identity;
    this.#durableBatch = this.#batch;
    await this.#writeWitness();
  }

  async persist(batch: PersistBatch): Promise<void> {
    const snapshots = this.#assertSound();
    if (this.#persisting) throw new Error('two persists at once');
    this.#persisting = true;
    try {
      const operations: Operation[] = [];
      if (batch.installSnapshot) {
        const { index, term } = batch.installSnapshot;
        if ((await this.#termAt(index)) !== term) {
          this.#drop(this.#log.popFrom(0), operations);
          this.#lastIndex = index;
          this.#lastTerm = term;
        }
        operations.push(...snapshots.install(batch.installSnapshot));
      }
      if (batch.truncateFrom !== null) await this.#truncate(batch.truncateFrom, operations);
      this.#append(batch.append, operations);
      operations.push({ type: 'put', key: KEY.hard, value: this.#hardValue(batch.hard) });
      await this.#lane.write(operations, 'urgent');
      this.#durableBatch = this.#batch;
    } finally {
      this.#persisting = false;
    }
  }

  async saveSnapshot(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>, compactTo: Index): Promise<SnapshotMeta> {
    const snapshots = this.#assertSound();
    const saved = await snapshots.save(meta, chunks);
    await this.#writeWitness();
    this.#compaction = this.#compaction.then(() => this.#compact(Math.min(compactTo, saved.index)));
    await this.#compaction;
    return saved;
  }

  receiveSnapshot(meta: SnapshotMeta): Promise<SnapshotSink> {
    return this.#assertSound().receive(meta);
  }

  readSnapshot(meta: SnapshotMeta, offsetBytes = 0): AsyncIterable<Uint8Array> {
    return this.#assertSound().read(meta, offsetBytes);
  }

  freeBytes(): Promise<number> {
    return this.#host.freeBytes();
  }

  async close(): Promise<void> {
    if (this.#database.status !== 'open') return;
    await this.#lane.idle();
    if (this.#sound && this.#identity) await this.#writeWitness();
    await this.#database.close();
  }

  #assertSound(): SnapshotStore {
    if (this.#snapshots === null) throw new RaftError('DAMAGED', 'the store is damaged or not open: it is not written');
    return this.#snapshots;
  }

  #hardValue(hard: HardState): Buffer {
    return encodeHard({ hard, batch: ++this.#batch, lastIndex: this.#lastIndex });
  }

  #drop(blocks: readonly { readonly first: Index }[], operations: Operation[]): void {
    for (const block of blocks) operations.push({ type: 'del', key: blockKey(block.first) });
  }

  /** Deletes from `index` on; a block that begins before it is written anew without its tail. */
  async #truncate(index: Index, operations: Operation[]): Promise<void> {
    if (index > this.#lastIndex) return;
    const popped = this.#log.popFrom(index);
    const cut = popped[0];
    if (cut && cut.first < index) {
      const { entries, prevTerm } = await this.#readBlock(cut.first);
      this.#lastTerm = prevTerm;
      this.#pushBlock(entries.slice(0, index - cut.first), operations);
      popped.shift();
    }
    this.#drop(popped, operations);
    const end = this.#log.last;
    const snapshot = this.#snapshots?.current;
    this.#lastIndex = end?.last ?? snapshot?.index ?? 0;
    this.#lastTerm = end?.lastTerm ?? snapshot?.term ?? 0;
    if (this.#lastIndex !== index - 1)
      throw new Error(`cannot truncate from ${index}: the log ends at ${this.#lastIndex}`);
  }

  #append(entries: readonly Entry[], operations: Operation[]): void {
    let start = 0;
    let bytes = 0;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i] as Entry;
      if (entry.index !== this.#lastIndex + 1 + (i - start)) {
        throw new Error(`entry ${entry.index} does not follow ${this.#lastIndex + i - start}`);
      }
      bytes += entryBytes(entry);
      if (bytes < BLOCK_MAX_BYTES && i < entries.length - 1) continue;
      this.#pushBlock(start === 0 && i === entries.length - 1 ? entries : entries.slice(start, i + 1), operations);
      start = i + 1;
      bytes = 0;
    }
  }

  #pushBlock(entries: readonly Entry[], operations: Operation[]): void {
    const first = entries[0] as Entry;
    const last = entries.at(-1) as Entry;
    operations.push({ type: 'put', key: blockKey(first.index), value: encodeBlock(entries, this.#lastTerm) });
    this.#log.push({ first: first.index, last: last.index, lastTerm: last.term });
    this.#lastIndex = last.index;
    this.#lastTerm = last.term;
  }

  async #readBlock(first: Index): Promise<ReturnType<typeof decodeBlock>> {
    const value = await this.#database.get(blockKey(first));
    if (value === undefined) throw new RaftError('DISK', `log block ${first} vanished`);
    return decodeBlock(value);
  }

  async #termAt(index: Index): Promise<Term | null> {
    const span = this.#log.find(index);
    if (span === undefined) return null;
    const { entries } = await this.#readBlock(span.first);
    return entries[index - span.first]?.term ?? null;
  }

  async #compact(index: Index): Promise<void> {
    for (;;) {
      // The last block stays, so that the store always knows where its log ends.
      const end = Math.min(index, (this.#log.last?.first ?? 1) - 1);
      const blocks = this.#log.upTo(end, DELETES_PER_BATCH_COUNT);
      const last = blocks.at(-1);
      if (last === undefined) return;
      const operations: Operation[] = [];
      this.#drop(blocks, operations);
      await this.#lane.write(operations, 'background');
      // Only now: an installed snapshot that overtakes this must know of every block that is still there.
      this.#log.shiftTo(last.last);
    }
  }

  async #writeWitness(): Promise<void> {
    if (this.#identity === null) return;
    const { clusterId, replica } = this.#identity;
    try {
      await this.#host.writeWitness({ clusterId, replica, batch: this.#durableBatch });
    } catch (error) {
      throw new RaftError('DISK', `cannot write beside the store: ${errorText(error)}`, { cause: error });
    }
  }
}

function openError(error: unknown, directory: string): RaftError {
  const cause = (error as { cause?: { code?: string; message?: string } }).cause;
  if (cause?.code === 'LEVEL_LOCKED') {
    return new RaftError('DISK', `${directory} is in use by another process`, { cause: error });
  }
  const text = `${directory} cannot be opened: ${cause?.message ?? errorText(error)}`;
  return new RaftError(cause?.code === 'LEVEL_CORRUPTION' ? 'DAMAGED' : 'DISK', text, { cause: error });
}

/** Opens a store; answers it with what it held. */
export async function openStorage(
  options: LevelStorageOptions,
): Promise<{ readonly storage: LevelStorage; readonly recovered: Recovered }> {
  const storage = new LevelStorage(options);
  return { storage, recovered: await storage.open() };
}
