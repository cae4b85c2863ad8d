/**
 * The paper, sentence by sentence: "In Search of an Understandable Consensus Algorithm" (extended version) by section, and
 * Ongaro's thesis where it goes further (§3.10 transfer, §4 membership, §6.4 reads, §9.6 pre-vote). What needs several
 * replicas is told in testdata/; this file does not cover the client's side (§8 sessions), which is the state machine's.
 */
import { describe, expect, it } from 'vitest';
import { ackOf, appendOf, entryOf, LoneCore, voteOf } from '../testing/lone-core.ts';
import { encodeConfEntry } from './conf-change.ts';
import type { Message } from './messages.ts';
import { EntryKind } from './types.ts';

const status = (lone: LoneCore) => lone.core.status();
const noise: Message[] = [
  appendOf(3, [0, 0], []),
  { type: 'heartbeat', term: 3, commit: 0, readSeq: 0 },
  voteOf(3, [9, 9], { transfer: true }),
  { type: 'vote-response', term: 3, pre: false, granted: false },
  ackOf(3, 0),
];

describe('§5.1 terms', () => {
  it.each(noise.map((message) => [message.type, message] as const))(
    'a smaller term than %s carries is updated, and a leader reverts to follower',
    (_, message) => {
      const lone = new LoneCore().elect();
      expect(status(lone)).toMatchObject({ role: 'leader', term: 1 });
      lone.receive('c', message);
      expect(status(lone)).toMatchObject({ role: 'follower', term: 3 });
    },
  );

  it('a stale request is rejected', () => {
    const lone = new LoneCore({ hard: { term: 5 } }).look();
    lone.receive('b', appendOf(4, [0, 0], [4])).write();
    expect(status(lone)).toMatchObject({ term: 5, lastIndex: 0, leader: null });
    expect(lone.sent('append-response')[0]?.message).toMatchObject({ term: 5, rejected: true });
  });

  it('terms are on disk before anything of them is promised', () => {
    const lone = new LoneCore().look().receive('b', voteOf(2, [0, 0]));
    expect(lone.sent('vote-response')).toEqual([]);
    expect(lone.effects('persist').at(-1)?.hard).toMatchObject({ term: 2, vote: 'b' });
    expect(lone.write().sent('vote-response')).toHaveLength(1);
  });
});

describe('§5.2 leader election', () => {
  it('servers start as followers, and stay so while they hear a leader', () => {
    const lone = new LoneCore({ hard: { term: 1 } });
    expect(status(lone).role).toBe('follower');
    for (let round = 0; round < 30; round += 1) {
      lone.tick(100).receive('b', { type: 'heartbeat', term: 1, commit: 0, readSeq: 0 });
    }
    expect(status(lone)).toMatchObject({ role: 'follower', term: 1, leader: 'b' });
  });

  it('a leader sends heartbeats to everyone, learners included', () => {
    const lone = new LoneCore({ learners: ['z'] }).elect().look().tick(100);
    expect(lone.sent('heartbeat').map(({ to }) => to)).toEqual(['b', 'c', 'z']);
  });

  it('a candidate increments its term, votes for itself and asks all others', () => {
    const lone = new LoneCore({ hard: { term: 4 } }).timeout();
    lone.look().receive('b', { type: 'vote-response', term: 5, pre: true, granted: true });
    expect(status(lone)).toMatchObject({ role: 'candidate', term: 5, vote: 'a' });
    expect(
      lone
        .write()
        .sent('vote')
        .map(({ to }) => to),
    ).toEqual(['b', 'c']);
  });

  it('a candidate wins with a majority, its own vote counting once it is on disk', () => {
    const lone = new LoneCore({ voters: ['a', 'b', 'c', 'd', 'e'] }).timeout();
    for (const id of ['b', 'c']) lone.receive(id, { type: 'vote-response', term: 1, pre: true, granted: true });
    for (const id of ['b', 'c']) lone.receive(id, { type: 'vote-response', term: 1, pre: false, granted: true });
    expect(status(lone).role).toBe('candidate');
    expect(status(lone.write()).role).toBe('leader');
  });

  it('a vote counts once, however often it comes', () => {
    const lone = new LoneCore({ voters: ['a', 'b', 'c', 'd', 'e'] }).timeout();
    for (let round = 0; round < 3; round += 1) {
      lone.receive('b', { type: 'vote-response', term: 1, pre: true, granted: true });
    }
    expect(status(lone).role).toBe('pre-candidate');
  });

  it('at most one vote per term, first come first served; the same candidate may ask again', () => {
    const lone = new LoneCore().receive('b', voteOf(1, [0, 0])).look();
    lone
      .receive('c', voteOf(1, [0, 0]))
      .receive('b', voteOf(1, [0, 0]))
      .write();
    const answers = lone.sent('vote-response').map(({ to, message }) => `${to} ${message.granted}`);
    expect(answers.sort()).toEqual(['b true', 'b true', 'c false']);
  });

  it('a vote survives a restart', () => {
    const lone = new LoneCore({ hard: { term: 2, vote: 'b' } })
      .look()
      .receive('c', voteOf(2, [0, 0]))
      .write();
    expect(lone.sent('vote-response')[0]?.message.granted).toBe(false);
  });

  it('a candidate yields to a leader of its term', () => {
    const lone = new LoneCore().timeout().receive('b', { type: 'vote-response', term: 1, pre: true, granted: true });
    lone.receive('c', appendOf(1, [0, 0], []));
    expect(status(lone)).toMatchObject({ role: 'follower', leader: 'c' });
  });

  it('election timeouts are spread over the whole range', () => {
    const times = new Set<number>();
    for (let seed = 1; seed <= 60; seed += 1) {
      const lone = new LoneCore({ seed, hard: { term: 1 } });
      lone.timeout();
      expect(lone.nowMs).toBeGreaterThanOrEqual(400);
      expect(lone.nowMs).toBeLessThanOrEqual(800);
      times.add(lone.nowMs);
    }
    expect(times.size).toBeGreaterThan(30);
  });

  it('a cluster that never had a leader does not wait that long', () => {
    expect(new LoneCore().timeout().nowMs).toBeLessThanOrEqual(200);
  });
});

describe('§5.3 log replication', () => {
  it('a leader appends, and sends to all in parallel with its own write', () => {
    const lone = new LoneCore().elect().receive('b', ackOf(1, 1)).receive('c', ackOf(1, 1)).look().propose(2);
    const sent = lone.sent('append').map(({ to, message }) => `${to} ${message.entries.map(({ index }) => index)}`);
    expect(sent).toEqual(['b 2,3', 'c 2,3']);
    expect(lone.effects('persist')).toHaveLength(1);
  });

  it('an entry is committed once a majority has it on disk', () => {
    const lone = new LoneCore().elect();
    expect(status(lone).commit).toBe(0);
    expect(status(lone.receive('b', ackOf(1, 1))).commit).toBe(1);
  });

  it("the leader's own copy counts only when it is on disk", () => {
    const lone = new LoneCore({ voters: ['a', 'b', 'c', 'd', 'e'] }).timeout();
    for (const id of ['b', 'c']) lone.receive(id, { type: 'vote-response', term: 1, pre: true, granted: true });
    for (const id of ['b', 'c']) lone.receive(id, { type: 'vote-response', term: 1, pre: false, granted: true });
    lone.write().write().receive('b', ackOf(1, 1)).receive('c', ackOf(1, 1));
    lone.propose(1).receive('b', ackOf(1, 2)).receive('c', ackOf(1, 2));
    expect(status(lone).commit).toBe(1);
    expect(status(lone.write()).commit).toBe(2);
  });

  it('followers learn of a commit with the next message and apply in order', () => {
    const lone = new LoneCore()
      .receive('b', appendOf(1, [0, 0], [1, 1]))
      .write()
      .look();
    lone.receive('b', appendOf(1, [2, 1], [], 2));
    expect(lone.effects('apply').flatMap(({ entries }) => [...entries].map(({ index }) => index))).toEqual([1, 2]);
  });

  it('an append that does not follow on what we have is refused with a hint', () => {
    const lone = new LoneCore({ terms: [1, 1, 2, 2, 2] }).look().receive('b', appendOf(4, [5, 3], [4]));
    expect(lone.sent('append-response')[0]?.message).toMatchObject({
      rejected: true,
      index: 5,
      hintIndex: 5,
      hintTerm: 2,
    });
    lone.look().receive('b', appendOf(4, [4, 1], [4]));
    expect(lone.sent('append-response')[0]?.message).toMatchObject({
      rejected: true,
      index: 4,
      hintIndex: 2,
      hintTerm: 1,
    });
  });

  it('the leader skips a whole term of conflicts on a refusal', () => {
    const lone = new LoneCore({ terms: [1, 1, 1, 5, 5, 5, 5], hard: { term: 5 } }).elect().look();
    const refusal = { type: 'append-response', term: 6, rejected: true, index: 7, hintIndex: 6, hintTerm: 3 } as const;
    lone.receive('b', { ...refusal, digestIndex: 0, digest: '' });
    expect(lone.sent('append')[0]?.message).toMatchObject({ prevIndex: 3, prevTerm: 1 });
  });

  it('conflicting entries are cut off in the same write that replaces them', () => {
    const lone = new LoneCore({ terms: [1, 1, 2, 2] }).look().receive('b', appendOf(3, [2, 1], [3]));
    const write = lone.effects('persist')[0];
    expect(write?.truncateFrom).toBe(3);
    expect(write?.append.map(({ index, term }) => [index, term])).toEqual([[3, 3]]);
    expect(status(lone).lastIndex).toBe(3);
  });

  it('a late, shorter append cuts off nothing', () => {
    const lone = new LoneCore({ hard: { term: 1 } }).receive('b', appendOf(1, [0, 0], [1, 1, 1])).look();
    lone.receive('b', appendOf(1, [0, 0], [1]));
    expect(status(lone).lastIndex).toBe(3);
    expect(lone.effects('persist')[0]?.truncateFrom).toBeNull();
  });

  it('an acknowledgement leaves only after the write', () => {
    const lone = new LoneCore().look().receive('b', appendOf(1, [0, 0], [1]));
    expect(lone.sent('append-response')).toEqual([]);
    expect(lone.write().sent('append-response')[0]?.message).toMatchObject({ rejected: false, index: 1 });
  });

  it('entries with a gap or falling terms are not taken', () => {
    const lone = new LoneCore({ terms: [1] });
    const hole: Message = appendOf(2, [1, 1], [2, 1]);
    expect(status(lone.receive('b', hole)).lastIndex).toBe(1);
  });
});

describe('§5.4 safety', () => {
  it.each([
    ['later last term wins over length', [1, 2], [5, 1], false],
    ['same term, longer or equal wins', [1, 1], [2, 1], true],
    ['same term, shorter loses', [1, 1], [1, 1], false],
    ['later last term wins though shorter', [1, 1], [1, 2], true],
  ] as const)('§5.4.1 %s', (_, terms, last, granted) => {
    const lone = new LoneCore({ terms }).look().receive('b', voteOf(9, last)).write();
    expect(lone.sent('vote-response')[0]?.message.granted).toBe(granted);
  });

  it('§5.4.2 entries of an earlier term are committed only along with one of this term', () => {
    const lone = new LoneCore({ terms: [1, 2], hard: { term: 2 } }).elect();
    expect(status(lone.receive('b', ackOf(3, 2)).receive('c', ackOf(3, 2))).commit).toBe(0);
    expect(status(lone.receive('b', ackOf(3, 3))).commit).toBe(3);
  });

  it('a commit index is believed only as far as an append of this term proved our log equal', () => {
    const lone = new LoneCore({ terms: [1, 1, 1] });
    lone.receive('b', { type: 'heartbeat', term: 2, commit: 3, readSeq: 0 });
    expect(status(lone).commit).toBe(0);
    expect(status(lone.receive('b', appendOf(2, [2, 1], [], 3))).commit).toBe(2);
  });
});

describe('§5.5, §7 crashes and snapshots', () => {
  it('requests are idempotent: the same append twice is acknowledged twice and taken once', () => {
    const lone = new LoneCore();
    for (let round = 0; round < 2; round += 1) lone.receive('b', appendOf(1, [0, 0], [1, 1])).write();
    expect(status(lone).lastIndex).toBe(2);
    expect(lone.sent('append-response').map(({ message }) => message.index)).toEqual([2, 2]);
    expect(lone.effects('persist').at(-1)?.barrier).toBe(true);
  });

  it('a snapshot that our log already covers does not throw the log away', () => {
    const lone = new LoneCore({ terms: [1, 1, 1], hard: { term: 1 } }).look();
    const conf = status(lone).conf;
    const meta = { index: 2, term: 1, conf, digest: '', sizeBytes: 0 };
    lone.step({ type: 'snapshot-received', nowMs: 0, from: 'b', term: 1, meta });
    expect(status(lone)).toMatchObject({ commit: 2, lastIndex: 3, firstIndex: 1 });
    expect(lone.effects('persist').every(({ installSnapshot }) => installSnapshot === null)).toBe(true);
  });

  it('any other replaces log and state: restored before anything after it is applied', () => {
    const lone = new LoneCore({ terms: [1, 1] }).look();
    const conf = { ...status(lone).conf, voters: ['a', 'x', 'y'] };
    const meta = { index: 9, term: 2, conf, digest: 'd', sizeBytes: 1 };
    lone.step({ type: 'snapshot-received', nowMs: 0, from: 'b', term: 2, meta });
    lone.receive('b', appendOf(2, [9, 2], [2], 10));
    expect(lone.effects('restore')).toEqual([]);
    lone.write();
    const order = lone.seen.filter(({ type }) => type === 'restore' || type === 'apply').map(({ type }) => type);
    expect(order).toEqual(['restore', 'apply']);
    expect(status(lone)).toMatchObject({ firstIndex: 10, lastIndex: 10, applying: 10, conf });
    expect(lone.effects('conf')).toEqual([{ type: 'conf', index: 9, conf }]);
  });
});

describe('§6 of the thesis and §8 of the paper: reads and the first entry', () => {
  it('§8 a leader begins its term with a no-op', () => {
    const write = new LoneCore({ terms: [1] })
      .elect()
      .effects('persist')
      .findLast(({ append }) => append.length > 0);
    expect(write?.append).toMatchObject([{ index: 2, term: 2, kind: 2 }]);
  });

  it('§6.4 a read waits for a commit of this term and for a quorum that still follows', () => {
    const lone = new LoneCore({ terms: [1] }).elect().look();
    lone.step({ type: 'read-index', nowMs: lone.nowMs, seq: 7 });
    const round = lone.sent('heartbeat')[0]?.message.readSeq ?? 0;
    lone.receive('b', { type: 'heartbeat-response', term: 2, readSeq: round });
    expect(lone.effects('read-ready')).toEqual([]);
    lone.receive('b', ackOf(2, 2));
    expect(lone.effects('read-ready')).toEqual([{ type: 'read-ready', seq: 7, index: 2 }]);
  });

  it('§6.4 an answer to an earlier round confirms nothing', () => {
    const lone = new LoneCore().elect().receive('b', ackOf(1, 1)).look();
    lone.step({ type: 'read-index', nowMs: lone.nowMs, seq: 7 });
    const round = lone.sent('heartbeat')[0]?.message.readSeq ?? 0;
    lone.receive('b', { type: 'heartbeat-response', term: 1, readSeq: round - 1 });
    expect(lone.effects('read-ready')).toEqual([]);
    lone.receive('b', { type: 'heartbeat-response', term: 1, readSeq: round });
    expect(lone.effects('read-ready')).toHaveLength(1);
  });
});

describe('§3.10, §4 and §9.6 of the thesis', () => {
  it('§3.10 TimeoutNow starts an election at once, without pre-vote', () => {
    const lone = new LoneCore({ hard: { term: 1 } }).receive('b', { type: 'timeout-now', term: 1 }).write();
    expect(status(lone)).toMatchObject({ role: 'candidate', term: 2 });
    expect(lone.sent('vote').every(({ message }) => message.transfer && !message.pre)).toBe(true);
  });

  it('§4.2.3 who heard a leader lately does not vote, save for a transfer', () => {
    const lone = new LoneCore({ hard: { term: 1 } }).receive('b', appendOf(1, [0, 0], [])).look();
    lone.receive('c', voteOf(2, [9, 9])).write();
    expect(lone.sent('vote-response')).toEqual([]);
    expect(status(lone).term).toBe(1);
    lone.receive('c', voteOf(2, [9, 9], { transfer: true })).write();
    expect(lone.sent('vote-response')[0]?.message.granted).toBe(true);
  });

  it('§4.1 no second change before the first is in force, none before the no-op is', () => {
    const lone = new LoneCore().elect().look();
    const change = { steps: [{ op: 'add-learner', id: 'd' }], context: new Uint8Array(0) } as const;
    const ask = (seq: number) => lone.step({ type: 'propose-conf', nowMs: lone.nowMs, wallMs: 0, seq, change });
    ask(1);
    lone.receive('b', ackOf(1, 1));
    ask(2);
    ask(3);
    expect(lone.effects('proposed').flatMap(({ outcomes }) => outcomes)).toMatchObject([
      { seq: 1, refused: 'conf-pending' },
      { seq: 2, accepted: true },
      { seq: 3, refused: 'conf-pending' },
    ]);
  });

  it('§4.1 nobody campaigns with a committed change that is not in force yet (etcd#7625)', () => {
    const lone = new LoneCore({ hard: { term: 1 } });
    const change = { steps: [{ op: 'add-voter', id: 'd' }], context: new Uint8Array(0) } as const;
    const conf = { ...status(lone).conf, voters: ['a', 'b', 'c', 'd'] };
    const entry = { ...entryOf(1, 1, encodeConfEntry({ change, conf })), kind: EntryKind.conf };
    lone.receive('b', { type: 'append', term: 1, prevIndex: 0, prevTerm: 0, entries: [entry], commit: 1 });
    expect(status(lone.timeout())).toMatchObject({ role: 'follower', commit: 1, applying: 0, leader: null });
    expect(status(lone.write().timeout())).toMatchObject({ role: 'pre-candidate', conf });
  });

  it('§9.6 pre-vote raises no term, writes nothing and binds nobody', () => {
    const lone = new LoneCore({ hard: { term: 1 } }).look();
    lone.receive('b', voteOf(2, [0, 0], { pre: true })).receive('c', voteOf(2, [0, 0], { pre: true }));
    expect(lone.sent('vote-response').map(({ message }) => message.granted)).toEqual([true, true]);
    expect(lone.effects('persist')).toEqual([]);
    expect(status(lone)).toMatchObject({ term: 1, vote: null });
  });
});
