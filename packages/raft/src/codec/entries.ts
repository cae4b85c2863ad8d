/**
 * One log entry as bytes: the same record on the wire and in the store.
 *
 * Layout: kind u8 | origin (u8 length, bytes) | index u64 | term u64 | stamp u64 | seq u64 | data (u32 length, bytes).
 * Decoded `data` aliases the buffer it came from: entries are immutable and live about as long as their neighbours.
 */
import { EntryKind } from '../core/types.ts';
import type { Entry } from '../core/types.ts';
import { FormatError } from './bytes.ts';
import type { ByteReader, ByteWriter } from './bytes.ts';

const FIXED_BYTES = 1 + 1 + 8 * 4 + 4;
const HIGH = 2 ** 32;
const ORIGINS_CACHED = 256;
const origins = new Map<string, Buffer>();

function originBytes(origin: string): Buffer {
  const known = origins.get(origin);
  if (known) return known;
  const encoded = Buffer.from(origin, 'utf8');
  if (encoded.length > 255) throw new RangeError('replica id is longer than 255 bytes');
  if (origins.size >= ORIGINS_CACHED) origins.clear();
  origins.set(origin, encoded);
  return encoded;
}

/** Size of the record of this entry, for limits; exact for ASCII origins, which replica ids are. */
export function entryBytes(entry: Entry): number {
  return FIXED_BYTES + entry.origin.length + entry.data.length;
}

export function writeEntry(writer: ByteWriter, entry: Entry): void {
  const origin = originBytes(entry.origin);
  let at = writer.reserve(FIXED_BYTES + origin.length + entry.data.length);
  const buffer = writer.buffer;
  buffer[at++] = entry.kind;
  buffer[at++] = origin.length;
  for (let i = 0; i < origin.length; i++) buffer[at++] = origin[i] as number;
  at = putU53(buffer, at, entry.index);
  at = putU53(buffer, at, entry.term);
  at = putU53(buffer, at, entry.stampMs);
  at = putU53(buffer, at, entry.seq);
  writer.setU32(at, entry.data.length);
  buffer.set(entry.data, at + 4);
}

function putU53(buffer: Buffer, at: number, value: number): number {
  const high = Math.floor(value / HIGH);
  const low = value >>> 0;
  buffer[at] = high >>> 24;
  buffer[at + 1] = high >>> 16;
  buffer[at + 2] = high >>> 8;
  buffer[at + 3] = high;
  buffer[at + 4] = low >>> 24;
  buffer[at + 5] = low >>> 16;
  buffer[at + 6] = low >>> 8;
  buffer[at + 7] = low;
  return at + 8;
}

/** Reads records one after the other; remembers the last origin, which is nearly always the next one too. */
export class EntryReader {
  #origin = '';
  #originBytes: Buffer = Buffer.alloc(0);

  read(reader: ByteReader): Entry {
    const kind = reader.u8();
    if (kind !== EntryKind.normal && kind !== EntryKind.conf && kind !== EntryKind.noop) {
      throw new FormatError(`unknown kind of entry: ${kind}`);
    }
    const origin = this.#readOrigin(reader);
    const index = reader.u53();
    const term = reader.u53();
    const stampMs = reader.u53();
    const seq = reader.u53();
    return { index, term, kind, stampMs, origin, seq, data: reader.bytes() };
  }

  #readOrigin(reader: ByteReader): string {
    const length = reader.u8();
    const at = reader.take(length);
    const buffer = reader.buffer;
    const known = this.#originBytes;
    if (known.length === length) {
      let i = 0;
      while (i < length && known[i] === buffer[at + i]) i++;
      if (i === length) return this.#origin;
    }
    this.#originBytes = Buffer.from(buffer.subarray(at, at + length));
    this.#origin = this.#originBytes.toString('utf8');
    return this.#origin;
  }
}

/** Count, then the records. */
export function writeEntries(writer: ByteWriter, entries: readonly Entry[]): void {
  writer.u32(entries.length);
  for (const entry of entries) writeEntry(writer, entry);
}

export function readEntries(reader: ByteReader): Entry[] {
  const count = reader.u32();
  if (count * FIXED_BYTES > reader.remaining) throw new FormatError(`${count} entries do not fit`);
  const entries: Entry[] = Array.from({ length: count });
  const read = new EntryReader();
  for (let i = 0; i < count; i++) entries[i] = read.read(reader);
  return entries;
}
