/** Bytes from elsewhere: what was written is read back; anything else is a FormatError and nothing worse. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EntryKind } from '../core/types.ts';
import type { Entry } from '../core/types.ts';
import { ByteReader, ByteWriter, FormatError } from './bytes.ts';
import { entryBytes, readEntries, writeEntries } from './entries.ts';
import { readMessage } from './messages.ts';

const safe = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const anyEntry: fc.Arbitrary<Entry> = fc.record({
  index: safe,
  term: safe,
  kind: fc.constantFrom(...Object.values(EntryKind)),
  stampMs: safe,
  origin: fc.string({ unit: 'grapheme', maxLength: 20 }),
  seq: safe,
  data: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
});

describe('entries', () => {
  test('come back as they went', () => {
    fc.assert(
      fc.property(fc.array(anyEntry, { maxLength: 20 }), (list) => {
        const writer = new ByteWriter(1);
        writeEntries(writer, list);
        const reader = new ByteReader(writer.done());
        expect(readEntries(reader)).toEqual(list);
        reader.finish();
      }),
    );
  });

  test('are as large as their size says', () => {
    const entry: Entry = { index: 1, term: 1, kind: 0, stampMs: 1, origin: 'n1#abc', seq: 1, data: Buffer.alloc(17) };
    const writer = new ByteWriter();
    writeEntries(writer, [entry]);
    expect(writer.length).toBe(4 + entryBytes(entry));
  });
});

describe('messages', () => {
  test('any bytes are a message or a FormatError', () => {
    fc.assert(
      fc.property(fc.nat({ max: 31 }), fc.uint8Array({ maxLength: 200 }), (tag, bytes) => {
        const outcome = ((): unknown => {
          try {
            return readMessage(tag, Buffer.from(bytes)).term;
          } catch (error) {
            return error;
          }
        })();
        expect(typeof outcome === 'number' || outcome instanceof FormatError).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  test('a list that claims to be huge is refused before memory is taken for it', () => {
    const writer = new ByteWriter();
    writer.u53(1);
    writer.u53(0);
    writer.u53(0);
    writer.u53(0);
    writer.u32(0xffffffff);
    expect(() => readMessage(3, writer.done())).toThrow(FormatError);
  });

  test('entries that are not contiguous are refused', () => {
    const entry = (index: number): Entry => ({
      index,
      term: 1,
      kind: 0,
      stampMs: 1,
      origin: '',
      seq: 0,
      data: Buffer.alloc(0),
    });
    const writer = new ByteWriter();
    writer.u53(1);
    writer.u53(4);
    writer.u53(1);
    writer.u53(0);
    writeEntries(writer, [entry(5), entry(7)]);
    expect(() => readMessage(3, writer.done())).toThrow(FormatError);
  });
});
