/** A log that begins with what a store held packed against the same log made of objects. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RaftLog } from '../core/log.ts';
import { EntryKind } from '../core/types.ts';
import type { Entry, PackedEntries } from '../core/types.ts';
import { PACKED_PIECE_BYTES } from './limits.ts';
import { LogPacker } from './packed-log.ts';
import { decodeBlock, encodeBlock } from './records.ts';

/** What a store may hold: sizes up to more than a piece, terms that rise, changes of membership in between. */
const anEntry = fc.record({
  isConf: fc.nat(5).map((n) => n === 0),
  newer: fc.nat(5).map((n) => (n === 0 ? 1 : 0)),
  bytes: fc.oneof(
    { weight: 6, arbitrary: fc.nat(40) },
    fc.constantFrom(PACKED_PIECE_BYTES / 3, PACKED_PIECE_BYTES + 1),
  ),
  origin: fc.constantFrom('n1#a', 'n2#bb', ''),
});
const someEntries = fc.array(anEntry, { minLength: 1, maxLength: 25 });
type Shape = typeof anEntry extends fc.Arbitrary<infer T> ? T : never;

function entriesOf(shapes: readonly Shape[], first: number, term: number): Entry[] {
  let newest = term;
  return shapes.map(({ isConf, newer, bytes, origin }, at) => {
    newest += newer;
    const kind = isConf ? EntryKind.conf : EntryKind.normal;
    const data = Buffer.alloc(bytes, `${first + at}/`);
    return { index: first + at, term: newest, kind, stampMs: 2 ** 41 + at, origin, seq: 2 ** 47 + at, data };
  });
}

/** The way of a start: blocks of so many entries, as they come from the database. */
function packed(entries: readonly Entry[], blockCount: number): PackedEntries {
  const packer = new LogPacker();
  for (let at = 0; at < entries.length; at += blockCount) {
    const value = encodeBlock(entries.slice(at, at + blockCount), 1);
    const block = decodeBlock(value);
    packer.add(value, block.entries, block.offsets);
    value.fill(0xff);
  }
  return packer.done();
}

const plain = (entries: Iterable<Entry>): unknown[] =>
  [...entries].map((entry) => ({ ...entry, data: Buffer.from(entry.data).toString('latin1') }));

test('packed entries are those that were packed, in every part of a part', () => {
  fc.assert(
    fc.property(
      someEntries,
      fc.integer({ min: 1, max: 7 }),
      fc.tuple(fc.nat(25), fc.nat(25), fc.nat(25)),
      (shapes, blockCount, [a, b, c]) => {
        let list = entriesOf(shapes, 7, 3);
        let row = packed(list, blockCount);
        for (const cut of [a, b]) {
          expect(row.length).toBe(list.length);
          expect(plain(row)).toEqual(plain(list));
          for (const at of [-list.length - 1, -list.length, -1, 0, c, list.length]) {
            expect(row.at(at)?.index).toBe(list.at(at)?.index);
          }
          const from = Math.min(cut, list.length);
          const to = Math.max(from, list.length - (cut % 3));
          expect(plain(row.slice(from, to))).toEqual(plain(list.slice(from, to)));
          const conf = list.findIndex(({ kind }, at) => kind === EntryKind.conf && at >= from && at < to);
          expect(row.firstConf(from, to)).toBe(conf);
          expect(row.firstConf(0, row.length)).toBe(list.findIndex(({ kind }) => kind === EntryKind.conf));
          row = row.part(from, to);
          list = list.slice(from, to);
        }
      },
    ),
  );
});

const command = fc.oneof(
  fc.record({ do: fc.constant('append' as const), shapes: someEntries }),
  fc.record({ do: fc.constant('truncate' as const), at: fc.nat(40) }),
  fc.record({ do: fc.constant('compact' as const), at: fc.nat(40) }),
);

function act(log: RaftLog, each: typeof command extends fc.Arbitrary<infer T> ? T : never): void {
  const count = log.lastIndex - log.firstIndex + 1;
  if (each.do === 'append') log.append(entriesOf(each.shapes, log.lastIndex + 1, Math.max(1, log.lastTerm)));
  else if (count > 0) {
    const index = log.firstIndex + (each.at % count);
    if (each.do === 'compact') log.compactTo(index);
    else log.truncateFrom(index);
  }
}

/** Everything that the core asks of its log. */
function seen(log: RaftLog, from: number, maxBytes: number): unknown {
  const { firstIndex, lastIndex, lastTerm } = log;
  const start = Math.max(firstIndex, Math.min(from, lastIndex));
  const every = Array.from({ length: lastIndex - firstIndex + 3 }, (_, at) => firstIndex - 1 + at);
  const { entries, bytes } = log.sliceBytes(start, maxBytes);
  return {
    firstIndex,
    lastIndex,
    terms: every.map((index) => [log.termAt(index), log.entryAt(index)?.seq]),
    hints: [lastTerm - 2, lastTerm - 1, lastTerm].map((term) => log.lastIndexWithTermAtMost(start, term)),
    rows: plain(log.rows(start, lastIndex).flatMap((row) => [...row])),
    confs: every.map((to) => log.firstConfIndex(start, to)),
    sent: [plain(entries), bytes],
  };
}

test('a log that begins packed is the same log, whatever is appended, cut off and compacted', () => {
  fc.assert(
    fc.property(
      someEntries,
      fc.integer({ min: 1, max: 7 }),
      fc.array(command, { maxLength: 8 }),
      fc.tuple(fc.nat(60), fc.nat(1_000)),
      (shapes, blockCount, commands, [from, maxBytes]) => {
        const held = entriesOf(shapes, 1, 1);
        const objects = new RaftLog(held, 1, 0);
        const bytes = new RaftLog(packed(held, blockCount), 1, 0);
        for (const each of commands) {
          act(objects, each);
          act(bytes, each);
          expect(seen(bytes, from, maxBytes)).toEqual(seen(objects, from, maxBytes));
        }
      },
    ),
    { numRuns: 60 },
  );
});
