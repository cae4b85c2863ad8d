/** Majorities against definitions written as plainly as possible, over many configurations. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { majorityCount, majorityValue, majorityVote, quorumValue, quorumVote, type VoteResult } from './quorum.ts';
import { EMPTY_CONF, type ConfState } from './types.ts';

const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i');
const ids = fc.uniqueArray(name, { maxLength: 7 });
const some = fc.uniqueArray(name, { minLength: 1, maxLength: 7 });
const values = fc.dictionary(name, fc.nat(12));
const ballots = fc.array(fc.tuple(name, fc.boolean())).map((pairs) => new Map(pairs));

const joint = (voters: readonly string[], votersOutgoing: readonly string[]): ConfState => {
  return { ...EMPTY_CONF, voters, votersOutgoing };
};

/** All ways to take `count` of `items`. */
function choose<T>(items: readonly T[], count: number): T[][] {
  if (count === 0) return [[]];
  return items.flatMap((item, at) => choose(items.slice(at + 1), count - 1).map((rest) => [item, ...rest]));
}

describe('majority', () => {
  it('is more than half, and two always meet', () => {
    expect([1, 2, 3, 4, 5, 6, 7].map(majorityCount)).toEqual([1, 2, 2, 3, 3, 4, 4]);
    fc.assert(
      fc.property(some, (voters) => {
        const majorities = choose(voters, majorityCount(voters.length));
        for (const one of majorities) {
          for (const other of majorities) expect(one.some((id) => other.includes(id))).toBe(true);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('value: the best that every member of some majority has reached', () => {
    fc.assert(
      fc.property(some, values, (voters, reached) => {
        const valueOf = (id: string): number => reached[id] ?? 0;
        const best = Math.max(...choose(voters, majorityCount(voters.length)).map((m) => Math.min(...m.map(valueOf))));
        expect(majorityValue(voters, valueOf)).toBe(best);
      }),
    );
  });

  it('vote: won if a majority granted, lost if none still can', () => {
    fc.assert(
      fc.property(some, ballots, (voters, votes) => {
        const majorities = choose(voters, majorityCount(voters.length));
        const won = majorities.some((m) => m.every((id) => votes.get(id) === true));
        const open = majorities.some((m) => m.every((id) => votes.get(id) !== false));
        const expected: VoteResult = won ? 'won' : open ? 'pending' : 'lost';
        expect(majorityVote(voters, votes)).toBe(expected);
      }),
    );
  });
});

describe('joint quorum', () => {
  it('reaches what both halves have reached', () => {
    fc.assert(
      fc.property(some, ids, values, (incoming, outgoing, reached) => {
        const valueOf = (id: string): number => reached[id] ?? 0;
        const both = Math.min(majorityValue(incoming, valueOf), majorityValue(outgoing, valueOf));
        expect(quorumValue(joint(incoming, outgoing), valueOf)).toBe(both);
      }),
    );
  });

  it('of equal halves is the plain quorum, and order of names does not matter', () => {
    fc.assert(
      fc.property(some, values, ballots, (voters, reached, votes) => {
        const valueOf = (id: string): number => reached[id] ?? 0;
        const mirrored = joint(voters, voters.toReversed());
        expect(quorumValue(mirrored, valueOf)).toBe(majorityValue(voters, valueOf));
        expect(quorumVote(mirrored, votes)).toBe(majorityVote(voters, votes));
      }),
    );
  });

  it('is won only where both halves are, lost where either is', () => {
    fc.assert(
      fc.property(some, some, ballots, (incoming, outgoing, votes) => {
        const halves = [majorityVote(incoming, votes), majorityVote(outgoing, votes)];
        const expected = halves.includes('lost') ? 'lost' : halves.includes('pending') ? 'pending' : 'won';
        expect(quorumVote(joint(incoming, outgoing), votes)).toBe(expected);
      }),
    );
  });
});
