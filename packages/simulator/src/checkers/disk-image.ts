/**
 * What is durable on one disk, as the checkers understand it: read from the bytes that were synced, by a reader of their own
 * and not by the product's. An entry is known here only once it can no longer be lost.
 */
import { crc32 } from 'node:zlib';
import { EMPTY_CONF } from '@flotilla/raft';
import type { ConfState } from '@flotilla/raft';
import type { Operation } from '@flotilla/raft/internals';

export interface DurableEntry {
  readonly index: number;
  readonly term: number;
  readonly kind: number;
  /** Checksum of the whole record. */
  readonly sum: number;
  /** Term of the entry before it. */
  readonly prevTerm: number;
}

export interface DurableHard {
  readonly term: number;
  readonly vote: string;
  readonly commit: number;
  /** Number of the batch that wrote it. */
  readonly batch: number;
  readonly lastIndex: number;
}

const HARD = 'H'.charCodeAt(0);
const LOG = 'L'.charCodeAt(0);
const SNAPSHOT = 'S'.charCodeAt(0);

export class DiskImage {
  hard: DurableHard = { term: 0, vote: '', commit: 0, batch: 0, lastIndex: 0 };
  snapshotIndex = 0;
  snapshotTerm = 0;
  /** Membership that the snapshot carries; before the first, none. */
  snapshotConf: ConfState = EMPTY_CONF;
  /** Blocks by their first index. */
  readonly #blocks = new Map<number, readonly DurableEntry[]>();
  readonly #entries = new Map<number, DurableEntry>();
  /** What a crash or an operator did made it unreliable: it proves nothing any more. */
  lost = false;

  /** A batch became durable. Answers the entries that are new by it. */
  take(operations: readonly Operation[]): DurableEntry[] {
    const fresh: DurableEntry[] = [];
    for (const operation of operations) {
      const letter = operation.key[0];
      if (letter === LOG) this.#takeBlock(operation, fresh);
      else if (operation.type === 'put' && letter === HARD) this.hard = readHard(operation.value);
      else if (operation.type === 'put' && letter === SNAPSHOT) this.#takeSnapshot(operation.value);
    }
    return fresh;
  }

  entry(index: number): DurableEntry | undefined {
    return index <= this.hard.lastIndex ? this.#entries.get(index) : undefined;
  }

  /** Holds this very entry, or a snapshot that does; or held it when it was lost, which is what its acknowledgement said. */
  holds(index: number, term: number): boolean {
    return index <= this.snapshotIndex || this.entry(index)?.term === term;
  }

  get lastIndex(): number {
    return Math.max(this.hard.lastIndex, this.snapshotIndex);
  }

  get entryCount(): number {
    return this.#entries.size;
  }

  #takeBlock(operation: Operation, fresh: DurableEntry[]): void {
    const first = Number(operation.key.readBigUInt64BE(1));
    for (const entry of this.#blocks.get(first) ?? []) this.#entries.delete(entry.index);
    this.#blocks.delete(first);
    if (operation.type === 'del') return;
    const entries = readBlock(operation.value);
    this.#blocks.set(first, entries);
    for (const entry of entries) {
      this.#entries.set(entry.index, entry);
      fresh.push(entry);
    }
  }

  #takeSnapshot(value: Buffer): void {
    // crc u32, generation u32, chunks u32, then index and term of 64 bits each, then the membership.
    this.snapshotIndex = readU53(value, 12);
    this.snapshotTerm = readU53(value, 20);
    this.snapshotConf = readConf(value, 28);
  }
}

function readU53(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}

/** Voters, outgoing voters, learners, learners-to-be: each a count u32 and ids (u16 length, bytes). Then autoLeave u8. */
function readConf(value: Buffer, start: number): ConfState {
  let at = start;
  const ids = (): string[] => {
    const list: string[] = [];
    const count = value.readUInt32BE(at);
    at += 4;
    while (list.length < count) {
      const end = at + 2 + value.readUInt16BE(at);
      list.push(value.toString('utf8', at + 2, end));
      at = end;
    }
    return list;
  };
  const [voters, votersOutgoing, learners, learnersNext] = [ids(), ids(), ids(), ids()];
  return { voters, votersOutgoing, learners, learnersNext, autoLeave: value.readUInt8(at) === 1 };
}

/** crc u32, term u64, vote (u16 length, bytes), commit u64, batch u64, last index u64. */
function readHard(value: Buffer): DurableHard {
  const voteLength = value.readUInt16BE(12);
  const at = 14 + voteLength;
  return {
    term: readU53(value, 4),
    vote: value.toString('utf8', 14, at),
    commit: readU53(value, at),
    batch: readU53(value, at + 8),
    lastIndex: readU53(value, at + 16),
  };
}

/** crc u32, term before u64, count u32; each: crc u32, kind u8, origin (u8 length), index, term, stamp, seq u64, data (u32 length). */
function readBlock(value: Buffer): DurableEntry[] {
  let prevTerm = readU53(value, 4);
  const count = value.readUInt32BE(12);
  const entries: DurableEntry[] = [];
  let at = 16;
  for (let number = 0; number < count; number += 1) {
    const start = at + 4;
    const originLength = value.readUInt8(start + 1);
    const head = start + 2 + originLength;
    const dataLength = value.readUInt32BE(head + 32);
    const end = head + 36 + dataLength;
    const term = readU53(value, head + 8);
    entries.push({
      index: readU53(value, head),
      term,
      kind: value.readUInt8(start),
      sum: crc32(value.subarray(start, end)),
      prevTerm,
    });
    prevTerm = term;
    at = end;
  }
  return entries;
}
