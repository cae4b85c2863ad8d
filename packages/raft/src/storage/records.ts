/**
 * Keys and values of the store, with a CRC in every value. LevelDB does not tell when it loses a record, so whatever is
 * read back must prove by itself that it is whole and that it belongs where it stands.
 *
 *   I            identity and first membership, written once
 *   N            replica id that an unformed store reserved
 *   H            term, vote, commit, batch number, last index: rewritten in every batch
 *   L | u64      block of entries; key is the first index; the header names the term before it
 *   S            current snapshot: generation, description, chunk count
 *   R            snapshot being received: generation, description
 *   C | u32 | u32  chunk of a snapshot, by generation and number
 */
import { crc32 } from 'node:zlib';
import { ByteReader, ByteWriter, FormatError } from '../codec/bytes.ts';
import { EntryReader, writeEntry } from '../codec/entries.ts';
import { readConf, readSnapshotMeta, writeConf, writeSnapshotMeta } from '../codec/meta.ts';
import type { ConfState, Entry, HardState, Index, ReplicaId, SnapshotMeta, Term } from '../core/types.ts';
import type { Identity } from '../driver/ports.ts';

const FORMAT = 1;

const tag = (letter: string): number => letter.charCodeAt(0);
const LOG = tag('L');
const CHUNK = tag('C');

export const KEY = {
  identity: Buffer.from('I'),
  reserved: Buffer.from('N'),
  hard: Buffer.from('H'),
  snapshot: Buffer.from('S'),
  receiving: Buffer.from('R'),
} as const;

export function blockKey(firstIndex: Index): Buffer<ArrayBuffer> {
  const key = Buffer.alloc(9);
  key[0] = LOG;
  key.writeBigUInt64BE(BigInt(firstIndex), 1);
  return key;
}

export function blockKeyIndex(key: Buffer): Index {
  return Number(key.readBigUInt64BE(1));
}

export const LOG_RANGE = { gte: Buffer.from([LOG]), lt: Buffer.from([LOG + 1]) } as const;

export function chunkKey(generation: number, number: number): Buffer<ArrayBuffer> {
  const key = Buffer.alloc(9);
  key[0] = CHUNK;
  key.writeUInt32BE(generation, 1);
  key.writeUInt32BE(number, 5);
  return key;
}

export function chunkKeyParts(key: Buffer): { readonly generation: number; readonly number: number } {
  return { generation: key.readUInt32BE(1), number: key.readUInt32BE(5) };
}

export const CHUNK_RANGE = { gte: Buffer.from([CHUNK]), lt: Buffer.from([CHUNK + 1]) } as const;

/** CRC in front of the bytes it covers. */
function sealed(write: (writer: ByteWriter) => void): Buffer {
  const writer = new ByteWriter(256);
  writer.reserve(4);
  write(writer);
  const value = writer.done();
  writer.setU32(0, crc32(value.subarray(4)));
  return value;
}

function unsealed<T>(value: Buffer, read: (reader: ByteReader) => T): T {
  if (value.length < 4 || crc32(value.subarray(4)) !== value.readUInt32BE(0)) throw new FormatError('checksum differs');
  const reader = new ByteReader(value, 4);
  const result = read(reader);
  reader.finish();
  return result;
}

export interface HardRecord {
  readonly hard: HardState;
  /** Number of the batch that wrote it. */
  readonly batch: number;
  readonly lastIndex: Index;
}

export function encodeHard(record: HardRecord): Buffer {
  return sealed((writer) => {
    writer.u53(record.hard.term);
    writer.text(record.hard.vote ?? '');
    writer.u53(record.hard.commit);
    writer.u53(record.batch);
    writer.u53(record.lastIndex);
  });
}

export function decodeHard(value: Buffer): HardRecord {
  return unsealed(value, (reader) => {
    const term = reader.u53();
    const vote = reader.text();
    const commit = reader.u53();
    const batch = reader.u53();
    return { hard: { term, vote: vote === '' ? null : vote, commit }, batch, lastIndex: reader.u53() };
  });
}

export interface IdentityRecord {
  readonly identity: Identity;
  readonly conf: ConfState;
}

export function encodeIdentity(record: IdentityRecord): Buffer {
  return sealed((writer) => {
    writer.u32(record.identity.format);
    writer.text(record.identity.clusterId);
    writer.text(record.identity.replica);
    writer.u53(record.identity.createdMs);
    writeConf(writer, record.conf);
  });
}

export function decodeIdentity(value: Buffer): IdentityRecord {
  return unsealed(value, (reader) => {
    const format = reader.u32();
    if (format !== FORMAT) throw new FormatError(`store of format ${format}; this version reads ${FORMAT}`);
    const clusterId = reader.text();
    const replica = reader.text();
    const createdMs = reader.u53();
    return { identity: { clusterId, replica, format, createdMs }, conf: readConf(reader) };
  });
}

export function encodeReserved(replica: ReplicaId): Buffer {
  return sealed((writer) => writer.text(replica));
}

export function decodeReserved(value: Buffer): ReplicaId {
  return unsealed(value, (reader) => reader.text());
}

export interface SnapshotRecord {
  readonly generation: number;
  readonly meta: SnapshotMeta;
  readonly chunkCount: number;
}

export function encodeSnapshot(record: SnapshotRecord): Buffer {
  return sealed((writer) => {
    writer.u32(record.generation);
    writer.u32(record.chunkCount);
    writeSnapshotMeta(writer, record.meta);
  });
}

export function decodeSnapshot(value: Buffer): SnapshotRecord {
  return unsealed(value, (reader) => {
    const generation = reader.u32();
    const chunkCount = reader.u32();
    return { generation, chunkCount, meta: readSnapshotMeta(reader) };
  });
}

/** The key is part of what the CRC covers: a chunk in another's place is noticed. */
export function encodeChunk(key: Buffer, bytes: Uint8Array): Buffer {
  const value = Buffer.allocUnsafe(4 + bytes.length);
  value.writeUInt32BE(crc32(bytes, crc32(key)), 0);
  value.set(bytes, 4);
  return value;
}

export function decodeChunk(key: Buffer, value: Buffer): Buffer {
  const bytes = value.subarray(4);
  if (value.length < 4 || crc32(bytes, crc32(key)) !== value.readUInt32BE(0)) {
    throw new FormatError('checksum of a snapshot chunk differs');
  }
  return bytes;
}

const BLOCK_HEADER_BYTES = 4 + 8 + 4;

/**
 * A block of entries. `prevTerm` is the term of the entry before the first: by Raft's log matching an older block that
 * LevelDB brought back from the dead does not fit there.
 */
export function encodeBlock(entries: readonly Entry[], prevTerm: Term): Buffer {
  const writer = new ByteWriter(BLOCK_HEADER_BYTES + entries.length * 128);
  writer.reserve(4);
  writer.u53(prevTerm);
  writer.u32(entries.length);
  writer.setU32(0, crc32(writer.buffer.subarray(4, BLOCK_HEADER_BYTES)));
  for (const entry of entries) {
    const at = writer.reserve(4);
    writeEntry(writer, entry);
    writer.setU32(at, crc32(writer.buffer.subarray(at + 4, writer.length)));
  }
  return writer.done();
}

export interface Block {
  readonly prevTerm: Term;
  readonly entries: Entry[];
  /** Where in the value the record of each begins. */
  readonly offsets: number[];
}

export function decodeBlock(value: Buffer): Block {
  const reader = new ByteReader(value);
  const headerCrc = reader.u32();
  const prevTerm = reader.u53();
  const count = reader.u32();
  if (crc32(value.subarray(4, BLOCK_HEADER_BYTES)) !== headerCrc) throw new FormatError('checksum of a block differs');
  const entries: Entry[] = [];
  const offsets: number[] = [];
  const read = new EntryReader();
  for (let i = 0; i < count; i++) {
    const crc = reader.u32();
    const at = reader.at;
    const entry = read.read(reader);
    if (crc32(value.subarray(at, reader.at)) !== crc) throw new FormatError('checksum of an entry differs');
    entries.push(entry);
    offsets.push(at);
  }
  reader.finish();
  return { prevTerm, entries, offsets };
}
