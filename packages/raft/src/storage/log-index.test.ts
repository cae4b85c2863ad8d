/** The index of blocks against a plain list of them. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LogIndex } from './log-index.ts';
import type { BlockSpan } from './log-index.ts';

const command = fc.record({
  do: fc.constantFrom('push', 'push', 'push', 'pop', 'shift'),
  count: fc.integer({ min: 1, max: 4 }),
  at: fc.integer({ min: -3, max: 30 }),
});

test('the index of blocks is the list of what was pushed and not taken off', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 40 }), fc.integer({ min: 1, max: 9 }), (commands, begin) => {
      const index = new LogIndex();
      let list: BlockSpan[] = [];
      let next = begin;
      for (const [turn, { do: what, count, at }] of commands.entries()) {
        const place = (list[0]?.first ?? next) + at;
        let [answer, expected]: [readonly BlockSpan[], readonly BlockSpan[]] = [[], []];
        if (what === 'push') {
          const block = { first: next, last: next + count - 1, lastTerm: turn };
          index.push(block);
          list.push(block);
          next += count;
        } else if (what === 'pop') {
          [answer, expected] = [index.popFrom(place), list.filter(({ last }) => last >= place)];
          list = list.filter(({ last }) => last < place);
          next = expected[0]?.first ?? next;
        } else {
          [answer, expected] = [index.upTo(place, count), list.filter(({ last }) => last <= place).slice(0, count)];
          index.shiftTo(place);
          list = list.filter(({ last }) => last > place);
        }
        expect(answer).toEqual(expected);
        expect(index.last).toEqual(list.at(-1));
        for (let probe = begin - 1; probe <= next; probe++) {
          expect(index.find(probe)).toEqual(list.find(({ first, last }) => probe >= first && probe <= last));
        }
      }
    }),
  );
});

test('a block that does not follow the last one is refused', () => {
  const index = new LogIndex();
  index.push({ first: 5, last: 9, lastTerm: 1 });
  for (const first of [9, 11]) {
    expect(() => index.push({ first, last: 12, lastTerm: 1 })).toThrow(`block ${first} does not follow 9`);
  }
  index.push({ first: 10, last: 12, lastTerm: 1 });
});
