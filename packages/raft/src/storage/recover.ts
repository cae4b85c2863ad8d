/**
 * Reads a store back and verifies all of it: checksums, contiguity, order of terms, hard state, snapshot. Whatever does
 * not fit becomes a fault; a store with faults is not used. It never repairs: a repaired log may have lost a vote.
 */
import { createHash } from 'node:crypto';
import { errorText } from '@flotilla/shared';
import type { EntryRow, HardState, Index } from '../core/types.ts';
import { EMPTY_CONF } from '../core/types.ts';
import type { Recovered } from '../driver/ports.ts';
import { READ_AHEAD_BYTES, READ_AHEAD_COUNT } from './limits.ts';
import { LogIndex } from './log-index.ts';
import {
  blockKeyIndex,
  chunkKey,
  CHUNK_RANGE,
  chunkKeyParts,
  decodeBlock,
  decodeChunk,
  decodeHard,
  decodeIdentity,
  decodeReserved,
  decodeSnapshot,
  KEY,
  LOG_RANGE,
} from './records.ts';
import type { HardRecord, IdentityRecord, SnapshotRecord } from './records.ts';
import { LogPacker } from './packed-log.ts';
import type { Witness } from './witness.ts';
import type { Database } from './host.ts';

export interface RecoveredStore {
  readonly recovered: Recovered;
  readonly log: LogIndex;
  readonly batch: number;
  readonly snapshot: SnapshotRecord | null;
  readonly receiving: SnapshotRecord | null;
  /** Generations of which chunks exist. */
  readonly generations: ReadonlySet<number>;
}

/** All key-value pairs of a range, in pages. */
async function* scan(
  database: Database,
  range: { readonly gte: Buffer; readonly lt: Buffer },
): AsyncIterable<[Buffer, Buffer][]> {
  const iterator = database.iterator({ ...range, highWaterMarkBytes: READ_AHEAD_BYTES });
  try {
    for (;;) {
      const page = await iterator.nextv(READ_AHEAD_COUNT);
      if (page.length === 0) return;
      yield page;
    }
  } finally {
    await iterator.close();
  }
}

/** `witness`: what a file beside the database says about it, null where there is none. */
export async function recover(database: Database, witness: Witness | null): Promise<RecoveredStore> {
  const faults: string[] = [];
  const read = async <T>(key: Buffer, name: string, decode: (value: Buffer) => T): Promise<T | null> => {
    const value = await database.get(key);
    if (value === undefined) return null;
    try {
      return decode(value);
    } catch (error) {
      faults.push(`${name}: ${errorText(error)}`);
      return null;
    }
  };
  const identity = await read(KEY.identity, 'identity', decodeIdentity);
  const reserved = await read(KEY.reserved, 'reserved id', decodeReserved);
  const hardRecord = await read(KEY.hard, 'hard state', decodeHard);
  const snapshot = await read(KEY.snapshot, 'snapshot pointer', decodeSnapshot);
  const receiving = await read(KEY.receiving, 'pointer of the received snapshot', decodeSnapshot);
  const { log, entries } = await readLog(database, faults);
  if (snapshot) await verifySnapshot(database, snapshot, faults);
  const firstIndex = entries.at(0)?.index ?? (snapshot?.meta.index ?? 0) + 1;
  checkWhole({ identity, witness, hardRecord, snapshot, entries, firstIndex, faults });
  const noHard: HardState = { term: 0, vote: null, commit: 0 };
  return {
    recovered: {
      identity: identity?.identity ?? null,
      hard: hardRecord?.hard ?? noHard,
      snapshot: snapshot?.meta ?? null,
      entries,
      firstIndex,
      faults,
      initialConf: identity?.conf ?? EMPTY_CONF,
      reserved,
    },
    log,
    batch: hardRecord?.batch ?? 0,
    snapshot,
    receiving,
    generations: await readGenerations(database),
  };
}

async function readLog(database: Database, faults: string[]): Promise<{ log: LogIndex; entries: EntryRow }> {
  const log = new LogIndex();
  const packer = new LogPacker();
  for await (const page of scan(database, LOG_RANGE)) {
    for (const [key, value] of page) {
      // One fault is enough to refuse the store; what follows a hole would only repeat it.
      if (faults.some((fault) => fault.startsWith('log'))) return { log, entries: packer.done() };
      try {
        readBlock(blockKeyIndex(key), value, { log, packer });
      } catch (error) {
        faults.push(`log block ${key.subarray(1).toString('hex')}: ${errorText(error)}`);
      }
    }
  }
  return { log, entries: packer.done() };
}

function readBlock(first: Index, value: Buffer, into: { readonly log: LogIndex; readonly packer: LogPacker }): void {
  const block = decodeBlock(value);
  const { last } = into.packer;
  if (block.entries.length === 0) throw new Error('it is empty');
  if (last !== undefined && block.prevTerm !== last.term) {
    throw new Error(`expects term ${block.prevTerm} before it, found ${last.term}`);
  }
  let index = last === undefined ? first : last.index + 1;
  let term = block.prevTerm;
  if (index !== first) throw new Error(`expected index ${index}`);
  for (const entry of block.entries) {
    if (entry.index !== index) throw new Error(`entry ${entry.index} where ${index} belongs`);
    if (entry.term < term) throw new Error(`term falls from ${term} to ${entry.term} at ${index}`);
    term = entry.term;
    index++;
  }
  into.packer.add(value, block.entries, block.offsets);
  into.log.push({ first, last: index - 1, lastTerm: term });
}

async function verifySnapshot(database: Database, record: SnapshotRecord, faults: string[]): Promise<void> {
  const { generation, meta, chunkCount } = record;
  const hash = createHash('sha256');
  let sizeBytes = 0;
  let number = 0;
  const range = { gte: chunkKey(generation, 0), lt: chunkKey(generation, chunkCount) };
  for await (const page of scan(database, range)) {
    for (const [key, value] of page) {
      try {
        if (chunkKeyParts(key).number !== number) throw new Error('a chunk before it is missing');
        const bytes = decodeChunk(key, value);
        hash.update(bytes);
        sizeBytes += bytes.length;
      } catch (error) {
        faults.push(`snapshot ${meta.index}, chunk ${number}: ${errorText(error)}`);
        return;
      }
      number++;
    }
  }
  if (number !== chunkCount || sizeBytes !== meta.sizeBytes) {
    faults.push(
      `snapshot ${meta.index} has ${sizeBytes} bytes in ${number} chunks, not ${meta.sizeBytes} in ${chunkCount}`,
    );
  } else if (hash.digest('hex') !== meta.checksum) {
    faults.push(`snapshot ${meta.index}: checksum of the whole differs`);
  }
}

async function readGenerations(database: Database): Promise<Set<number>> {
  const generations = new Set<number>();
  const iterator = database.keys(CHUNK_RANGE);
  try {
    for (;;) {
      const key = await iterator.next();
      if (key === undefined) return generations;
      const { generation } = chunkKeyParts(key);
      generations.add(generation);
      iterator.seek(chunkKey(generation + 1, 0));
    }
  } finally {
    await iterator.close();
  }
}

/** What the records say about one another. */
function checkWhole(store: {
  readonly identity: IdentityRecord | null;
  readonly witness: Witness | null;
  readonly hardRecord: HardRecord | null;
  readonly snapshot: SnapshotRecord | null;
  readonly entries: EntryRow;
  readonly firstIndex: Index;
  readonly faults: string[];
}): void {
  const { identity, witness, hardRecord, snapshot, entries, firstIndex, faults } = store;
  if (faults.length > 0) return;
  const snapshotIndex = snapshot?.meta.index ?? 0;
  const snapshotTerm = snapshot?.meta.term ?? 0;
  const last = entries.at(-1);
  const lastIndex = Math.max(last?.index ?? 0, snapshotIndex);
  const fault = (condition: boolean, text: string): void => {
    if (condition) faults.push(text);
  };
  if (identity === null) {
    fault(witness !== null, 'identity is missing, but a file says that this store belongs to a cluster');
    fault(
      hardRecord !== null || snapshot !== null || last !== undefined,
      'identity is missing in a store that was used',
    );
    return;
  }
  if (hardRecord === null) {
    faults.push('hard state is missing');
    return;
  }
  const { hard } = hardRecord;
  fault(
    witness !== null && (witness.replica !== identity.identity.replica || witness.batch > hardRecord.batch),
    `writes are missing: the store ends at batch ${hardRecord.batch}, once it had ${witness?.batch}`,
  );
  fault(hardRecord.lastIndex !== lastIndex, `last entry is ${lastIndex}, should be ${hardRecord.lastIndex}`);
  fault(firstIndex > snapshotIndex + 1, `entries from ${snapshotIndex + 1} to ${firstIndex - 1} are missing`);
  fault(last !== undefined && last.index < snapshotIndex && firstIndex <= last.index, 'log ends before the snapshot');
  fault(hard.term < Math.max(last?.term ?? 0, snapshotTerm), `term ${hard.term} is older than the log's`);
  fault(hard.commit > lastIndex, `commit ${hard.commit} is beyond the last entry ${lastIndex}`);
  const atSnapshot = snapshotIndex < firstIndex ? undefined : entries.at(snapshotIndex - firstIndex);
  fault(
    atSnapshot !== undefined && snapshot !== null && atSnapshot.term !== snapshotTerm,
    `the log has term ${atSnapshot?.term} at ${snapshotIndex}, the snapshot ${snapshotTerm}`,
  );
}
