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
        if (what === 'push') {
          const block = { first: next, last: next + count - 1, lastTerm: turn };
          index.push(block);
          list.push(block);
          next += count;
        } else if (what === 'pop') {
          const popped = list.filter(({ last }) => last >= place);
          expect(index.popFrom(place)).toEqual(popped);
          list = list.filter(({ last }) => last < place);
          next = popped[0]?.first ?? next;
        } else {
          expect(index.upTo(place, count)).toEqual(list.filter(({ last }) => last <= place).slice(0, count));
          index.shiftTo(place);
          list = list.filter(({ last }) => last > place);
        }
        expect(index.last).toEqual(list.at(-1));
        for (let probe = begin - 1; probe <= next; probe++) {
          expect(index.find(probe)).toEqual(list.find(({ first, last }) => probe >= first && probe <= last));
        }
        if (list.length > 0)
          expect(() => index.push({ first: next + 1, last: next + 1, lastTerm: 1 })).toThrow('follow');
      }
    }),
  );
});
