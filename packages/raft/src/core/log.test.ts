/** The log window against a plain array of all entries ever kept. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ENTRY_OVERHEAD_BYTES } from './config.ts';
import { RaftLog } from './log.ts';
import { entryOf } from '../testing/lone-core.ts';
import type { Entry } from './types.ts';

const logOf = (terms: readonly number[]): RaftLog => {
  const log = new RaftLog([], 1, 0);
  log.append(terms.map((term, at) => entryOf(at + 1, term)));
  return log;
};

const command = fc.oneof(
  fc.record({ do: fc.constant('append' as const), count: fc.integer({ min: 1, max: 5 }), newer: fc.nat(2) }),
  fc.record({ do: fc.constant('truncate' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  fc.record({ do: fc.constant('compact' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
);

describe('the log window', () => {
  it('agrees with a plain array whatever is appended, cut off and compacted', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
        const log = new RaftLog([], 1, 0);
        let all: Entry[] = [];
        let first = 1;
        for (const each of commands) {
          if (each.do === 'append') {
            const term = (all.at(-1)?.term ?? 1) + each.newer;
            const fresh = Array.from({ length: each.count }, (_, at) => entryOf(all.length + 1 + at, term));
            log.append(fresh);
            all = [...all, ...fresh];
          } else if (all.length >= first) {
            const index = first + Math.floor(each.share * (all.length - first));
            if (each.do === 'compact') first = index;
            else all = all.slice(0, index - 1);
            if (each.do === 'compact') log.compactTo(index);
            else log.truncateFrom(index);
          }
          expect([log.firstIndex, log.lastIndex]).toEqual([first, all.length]);
          for (let index = first - 1; index <= all.length + 1; index += 1) {
            expect(log.termAt(index)).toBe(index === 0 ? 0 : all[index - 1]?.term);
          }
          expect(log.rows(first, all.length).flatMap((row) => [...row])).toEqual(all.slice(first - 1));
        }
      }),
    );
  });

  it('gives as many entries as fit, at least one', () => {
    const log = new RaftLog([], 1, 0);
    log.append([1, 2, 3].map((index) => entryOf(index, 1, new Uint8Array(100))));
    const one = 100 + ENTRY_OVERHEAD_BYTES;
    expect(log.sliceBytes(1, 1).entries).toHaveLength(1);
    expect(log.sliceBytes(1, 2 * one)).toMatchObject({ bytes: 2 * one });
    expect(log.sliceBytes(2, 99 * one).entries.map(({ index }) => index)).toEqual([2, 3]);
    expect(log.sliceBytes(4, one).entries).toEqual([]);
  });

  it('finds where another log may agree at best', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 12 }),
        fc.nat(12),
        fc.nat(4),
        (raw, at, term) => {
          const terms = raw.toSorted((a, b) => a - b);
          const log = logOf(terms);
          const from = Math.min(at, terms.length);
          let expected = from;
          while (expected > 0 && (terms[expected - 1] ?? 0) > term) expected -= 1;
          expect(log.lastIndexWithTermAtMost(from, term).index).toBe(expected);
        },
      ),
    );
  });

  it('refuses gaps, falling terms and cuts outside', () => {
    const log = logOf([1, 2]);
    expect(() => log.append([entryOf(4, 2)])).toThrow('contiguous');
    expect(() => log.append([entryOf(3, 1)])).toThrow('terms never fall');
    expect(() => log.truncateFrom(3)).toThrow('within the log');
    expect(() => log.compactTo(4)).toThrow('within the log');
  });

  it('says nothing about terms before an unknown base', () => {
    const log = new RaftLog([entryOf(5, 2)], 5, undefined);
    expect([log.termAt(4), log.termAt(5), log.termAt(6)]).toEqual([undefined, 2, undefined]);
    expect(log.lastIndexWithTermAtMost(5, 1)).toEqual({ index: 4, term: 0 });
  });
});
