/**
 * Consensus messages as bytes. One tag per message; every field is read back by its type and range, so that bytes of a
 * peer with another idea of the format end in a FormatError, not in the core.
 */
import type { Message, ProposalRefusal } from '../core/messages.ts';
import type { Index, Term } from '../core/types.ts';
import { ByteReader, FormatError } from './bytes.ts';
import type { ByteWriter } from './bytes.ts';
import { readEntries, writeEntries } from './entries.ts';
import { readConfChange, writeConfChange } from './meta.ts';

/** Tags on the wire. Never reuse a number. */
const TAGS = {
  vote: 1,
  'vote-response': 2,
  append: 3,
  'append-response': 4,
  heartbeat: 5,
  'heartbeat-response': 6,
  'timeout-now': 7,
  forward: 8,
  'forward-response': 9,
  'forward-conf': 10,
  'read-index': 11,
  'read-index-response': 12,
} as const satisfies Record<Message['type'], number>;

const TYPES = new Map<number, Message['type']>(
  Object.entries(TAGS).map(([type, tag]) => [tag, type as Message['type']]),
);

const REFUSALS: readonly (ProposalRefusal | null)[] = [
  null,
  'not-leader',
  'no-leader',
  'overloaded',
  'transferring',
  'no-quorum',
  'conf-pending',
  'conf-invalid',
  'disk-full',
  'stopped',
];

/** Bytes that a forwarded proposal or result takes at least: bounds the lists before they are allocated. */
const FORWARDED_MIN_BYTES = 12;

export function messageTag(message: Message): number {
  return TAGS[message.type];
}

function writeRefusal(writer: ByteWriter, refused: ProposalRefusal | null): void {
  writer.u8(REFUSALS.indexOf(refused));
}

function readRefusal(reader: ByteReader): ProposalRefusal | null {
  const refused = REFUSALS[reader.u8()];
  if (refused === undefined) throw new FormatError('unknown refusal');
  return refused;
}

/** What the sender of a vote or a request for one knows committed; both fields or neither. */
interface Committed {
  readonly commit?: Index;
  readonly commitTerm?: Term;
}

function writeCommitted(writer: ByteWriter, { commit, commitTerm }: Committed): void {
  const known = commit !== undefined && commitTerm !== undefined;
  writer.bool(known);
  if (!known) return;
  writer.u53(commit);
  writer.u53(commitTerm);
}

function readCommitted(reader: ByteReader): Committed {
  if (!reader.bool()) return {};
  const commit = reader.u53();
  return { commit, commitTerm: reader.u53() };
}

export function writeMessage(writer: ByteWriter, message: Message): void {
  writer.u53(message.term);
  switch (message.type) {
    case 'vote':
      writer.bool(message.pre);
      writer.u53(message.lastIndex);
      writer.u53(message.lastTerm);
      writer.bool(message.transfer);
      writeCommitted(writer, message);
      return;
    case 'vote-response':
      writer.bool(message.pre);
      writer.bool(message.granted);
      writeCommitted(writer, message);
      return;
    case 'append':
      writer.u53(message.prevIndex);
      writer.u53(message.prevTerm);
      writer.u53(message.commit);
      writeEntries(writer, message.entries);
      return;
    case 'append-response':
      writer.bool(message.rejected);
      writer.u53(message.index);
      writer.u53(message.hintIndex);
      writer.u53(message.hintTerm);
      writer.u53(message.digestIndex);
      writer.text(message.digest);
      return;
    case 'heartbeat':
      writer.u53(message.commit);
      writer.u53(message.readSeq);
      return;
    case 'heartbeat-response':
      writer.u53(message.readSeq);
      return;
    case 'timeout-now':
      return;
    case 'forward':
      writer.u32(message.proposals.length);
      for (const proposal of message.proposals) {
        writer.u53(proposal.seq);
        writer.bytes(proposal.data);
      }
      return;
    case 'forward-response':
      writer.u32(message.results.length);
      for (const result of message.results) {
        writer.u53(result.seq);
        writer.u53(result.index);
        writer.u53(result.entryTerm);
        writeRefusal(writer, result.refused);
      }
      return;
    case 'forward-conf':
      writer.u53(message.seq);
      writeConfChange(writer, message.change);
      return;
    case 'read-index':
      writer.u53(message.seq);
      return;
    case 'read-index-response':
      writer.u53(message.seq);
      writer.u53(message.index);
      writeRefusal(writer, message.refused);
      return;
  }
}

/** Decodes the payload of a frame with this tag. Throws FormatError. */
export function readMessage(tag: number, payload: Buffer): Message {
  const type = TYPES.get(tag);
  if (type === undefined) throw new FormatError(`unknown message ${tag}`);
  const reader = new ByteReader(payload);
  const message = readBody(type, reader);
  reader.finish();
  if (message.term === 0) throw new FormatError('term 0 on the wire');
  return message;
}

function readBody(type: Message['type'], reader: ByteReader): Message {
  const term = reader.u53();
  switch (type) {
    case 'vote': {
      const pre = reader.bool();
      const lastIndex = reader.u53();
      const lastTerm = reader.u53();
      const transfer = reader.bool();
      return { type, term, pre, lastIndex, lastTerm, transfer, ...readCommitted(reader) };
    }
    case 'vote-response': {
      const pre = reader.bool();
      const granted = reader.bool();
      return { type, term, pre, granted, ...readCommitted(reader) };
    }
    case 'append': {
      const prevIndex = reader.u53();
      const prevTerm = reader.u53();
      const commit = reader.u53();
      const entries = readEntries(reader);
      entries.forEach((entry, i) => {
        if (entry.index !== prevIndex + 1 + i) throw new FormatError('entries are not contiguous');
      });
      return { type, term, prevIndex, prevTerm, entries, commit };
    }
    case 'append-response': {
      const rejected = reader.bool();
      const index = reader.u53();
      const hintIndex = reader.u53();
      const hintTerm = reader.u53();
      const digestIndex = reader.u53();
      return { type, term, rejected, index, hintIndex, hintTerm, digestIndex, digest: reader.text() };
    }
    case 'heartbeat': {
      const commit = reader.u53();
      return { type, term, commit, readSeq: reader.u53() };
    }
    case 'heartbeat-response':
      return { type, term, readSeq: reader.u53() };
    case 'timeout-now':
      return { type, term };
    case 'forward':
      return {
        type,
        term,
        proposals: readList(reader, () => {
          const seq = reader.u53();
          return { seq, data: reader.bytes() };
        }),
      };
    case 'forward-response':
      return {
        type,
        term,
        results: readList(reader, () => {
          const seq = reader.u53();
          const index = reader.u53();
          const entryTerm = reader.u53();
          return { seq, index, entryTerm, refused: readRefusal(reader) };
        }),
      };
    case 'forward-conf': {
      const seq = reader.u53();
      return { type, term, seq, change: readConfChange(reader) };
    }
    case 'read-index':
      return { type, term, seq: reader.u53() };
    case 'read-index-response': {
      const seq = reader.u53();
      const index = reader.u53();
      return { type, term, seq, index, refused: readRefusal(reader) };
    }
  }
}

function readList<T>(reader: ByteReader, read: () => T): T[] {
  const count = reader.u32();
  if (count * FORWARDED_MIN_BYTES > reader.remaining) throw new FormatError(`list of ${count} does not fit`);
  return Array.from({ length: count }, read);
}
