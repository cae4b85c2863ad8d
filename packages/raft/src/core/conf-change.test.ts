/** Membership arithmetic and its place in an entry. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyChange, decodeConfEntry, encodeConfEntry } from './conf-change.ts';
import { isJoint, isVoter, majorityVote, quorumVote } from './quorum.ts';
import { EMPTY_CONF, type ConfChange, type ConfState, type ConfStep } from './types.ts';

const names = ['a', 'b', 'c', 'd', 'e', 'f'];
const steps = fc.uniqueArray(
  fc.record({
    op: fc.constantFrom<ConfStep['op']>('add-voter', 'add-learner', 'remove'),
    id: fc.constantFrom(...names),
  }),
  { selector: ({ id }) => id, minLength: 1, maxLength: 4 },
);
const conf = fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 6 }).chain((all) =>
  fc.integer({ min: 1, max: all.length }).map((count): ConfState => {
    return { ...EMPTY_CONF, voters: all.slice(0, count).sort(), learners: all.slice(count).sort() };
  }),
);
const change = (list: readonly ConfStep[]): ConfChange => ({ steps: list, context: new Uint8Array(0) });
const LEAVE = change([]);

describe('a membership change', () => {
  it('moves one voter in one step, more through a joint configuration', () => {
    const three = { ...EMPTY_CONF, voters: ['a', 'b', 'c'] };
    expect(applyChange(three, change([{ op: 'add-voter', id: 'd' }]))).toEqual({
      ...EMPTY_CONF,
      voters: ['a', 'b', 'c', 'd'],
    });
    const swap = applyChange(
      three,
      change([
        { op: 'add-voter', id: 'd' },
        { op: 'remove', id: 'a' },
      ]),
    );
    expect(swap).toMatchObject({ voters: ['b', 'c', 'd'], votersOutgoing: ['a', 'b', 'c'], autoLeave: true });
  });

  it('demotes a voter only when the outgoing half goes', () => {
    const three = { ...EMPTY_CONF, voters: ['a', 'b', 'c'] };
    const demote: ConfStep[] = [
      { op: 'add-learner', id: 'a' },
      { op: 'add-learner', id: 'b' },
    ];
    const during = applyChange(three, change(demote));
    expect(during).toMatchObject({ voters: ['c'], learners: [], learnersNext: ['a', 'b'] });
    expect(during !== null && applyChange(during, LEAVE)).toEqual({
      ...EMPTY_CONF,
      voters: ['c'],
      learners: ['a', 'b'],
    });
  });

  it('takes in no second disk of a name, unless it takes the place of the first', () => {
    const [second, first] = ['a#2', 'a#1'];
    for (const conf of [
      { ...EMPTY_CONF, voters: [first, 'b'] },
      { ...EMPTY_CONF, voters: ['b'], learners: [first] },
    ]) {
      expect(applyChange(conf, change([{ op: 'add-learner', id: second }]))).toBeNull();
      expect(applyChange(conf, change([{ op: 'add-voter', id: second }]))).toBeNull();
      expect(applyChange(conf, change([{ op: 'add-voter', id: first }]))).not.toBeNull();
      const replaced: ConfStep[] = [
        { op: 'remove', id: first },
        { op: 'add-learner', id: second },
      ];
      expect(applyChange(conf, change(replaced))).toMatchObject({ learners: [second] });
    }
  });

  it('is refused where it makes no sense', () => {
    const one = { ...EMPTY_CONF, voters: ['a'] };
    expect(applyChange(one, LEAVE)).toBeNull();
    expect(applyChange(one, change([{ op: 'remove', id: 'a' }]))).toBeNull();
    expect(
      applyChange(
        one,
        change([
          { op: 'add-voter', id: 'b' },
          { op: 'remove', id: 'b' },
        ]),
      ),
    ).toBeNull();
    const during = { ...one, votersOutgoing: ['b'] };
    expect(applyChange(during, change([{ op: 'add-voter', id: 'c' }]))).toBeNull();
  });

  it('never lets two majorities decide apart, whichever of the old and the new configuration they go by', () => {
    fc.assert(
      fc.property(conf, steps, fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }), (before, list, side) => {
        const after = applyChange(before, change(list));
        if (after === null) return;
        const ours = new Map(names.map((name, at) => [name, side[at] ?? false]));
        const theirs = new Map(names.map((name, at) => [name, !(side[at] ?? false)]));
        const both = quorumVote(before, ours) === 'won' && quorumVote(after, theirs) === 'won';
        expect(both).toBe(false);
        if (!isJoint(after)) return;
        const left = applyChange(after, LEAVE) ?? EMPTY_CONF;
        expect(left.voters).not.toEqual([]);
        expect(quorumVote(after, ours) === 'won' && majorityVote(left.voters, theirs) === 'won').toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps voters, learners and their next learners apart', () => {
    fc.assert(
      fc.property(conf, steps, (before, list) => {
        const after = applyChange(before, change(list));
        if (after === null) return;
        for (const id of after.learners) expect(isVoter(after, id)).toBe(false);
        for (const id of after.learnersNext) expect(after.votersOutgoing).toContain(id);
        for (const id of after.learnersNext) expect(after.voters).not.toContain(id);
      }),
    );
  });
});

describe('the entry of a change', () => {
  it('comes back as it was written', () => {
    fc.assert(
      fc.property(conf, steps, fc.uint8Array({ maxLength: 20 }), (state, list, context) => {
        const entry = { change: { steps: list, context }, conf: state };
        expect(decodeConfEntry(encodeConfEntry(entry))).toEqual(entry);
      }),
    );
  });

  it('is not read where it is cut short or of another version', () => {
    const bytes = encodeConfEntry({ change: LEAVE, conf: { ...EMPTY_CONF, voters: ['n1#0a', 'n2#0b'] } });
    for (let length = 0; length < bytes.length; length += 1) expect(decodeConfEntry(bytes.slice(0, length))).toBeNull();
    expect(decodeConfEntry(Uint8Array.of(9, ...bytes.slice(1)))).toBeNull();
  });
});
