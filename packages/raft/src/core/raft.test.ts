/** What the core does beyond the paper: limits, refusals, faults of disk and loop, divergence, and how it ends. */
import { describe, expect, it } from 'vitest';
import { ackOf, appendOf, entryOf, LoneCore, type LoneOptions } from '../testing/lone-core.ts';
import { resolveConfig } from './config.ts';
import { createCore } from './raft.ts';
import { EMPTY_CONF } from './types.ts';

const leader = (options: LoneOptions = {}): LoneCore => {
  const lone = new LoneCore(options).elect();
  return lone.receive('b', ackOf(lone.core.status().term, 1)).look();
};

const outcomes = (lone: LoneCore): string[] =>
  lone.effects('proposed').flatMap((effect) => effect.outcomes.map((one) => (one.accepted ? 'accepted' : one.refused)));

describe('limits', () => {
  it('uncommitted bytes are bounded, and free again once committed', () => {
    const lone = leader({ config: { maxUncommittedBytes: 1000 } }).propose(3, 400);
    expect(outcomes(lone)).toEqual(['accepted', 'accepted', 'overloaded']);
    lone.write().receive('b', ackOf(1, 3)).look().propose(1, 400);
    expect(outcomes(lone)).toEqual(['accepted']);
    expect(lone.core.status().uncommittedBytes).toBe(464);
  });

  it('one proposal larger than the limit passes when nothing else waits', () => {
    expect(outcomes(leader({ config: { maxUncommittedBytes: 1000 } }).propose(2, 5000))).toEqual([
      'accepted',
      'overloaded',
    ]);
  });

  it('a state machine that lags too far behind stops the intake', () => {
    const lone = leader({ config: { maxUnappliedEntries: 3 } })
      .propose(4)
      .write()
      .receive('b', ackOf(1, 5))
      .look();
    expect(outcomes(lone.propose(1))).toEqual(['overloaded']);
    lone.step({ type: 'applied', nowMs: lone.nowMs, wallMs: 0, index: 5, digest: '' });
    expect(outcomes(lone.look().propose(1))).toEqual(['accepted']);
  });

  it('reads wait in a bounded queue', () => {
    const lone = leader({ config: { maxPendingReads: 2 } });
    for (const seq of [1, 2, 3]) lone.step({ type: 'read-index', nowMs: lone.nowMs, seq });
    expect(lone.effects('read-failed')).toEqual([{ type: 'read-failed', seq: 3, refused: 'overloaded' }]);
  });

  it('appends are cut to size, and the window holds the rest back', () => {
    const lone = leader({ config: { maxAppendBytes: 300, maxInflightBytes: 600 } });
    lone.receive('c', ackOf(1, 1)).look().propose(10, 100);
    const toB = lone.sent('append').filter(({ to }) => to === 'b');
    expect(toB.map(({ message }) => message.entries.length)).toEqual([1, 1, 1, 1]);
    lone.look().write().receive('b', ackOf(1, 3));
    expect(lone.sent('append').filter(({ to }) => to === 'b')).toHaveLength(2);
  });

  it('settings that contradict each other are all named at once', () => {
    expect(() => resolveConfig({ heartbeatMs: 500, electionMinMs: 400, electionMaxMs: 300 })).toThrow(
      /electionMinMs \(400\).*electionMaxMs \(300\).*heartbeatMs \(500\)/,
    );
  });
});

describe('every caller gets an answer', () => {
  it('without a leader', () => {
    const lone = new LoneCore().look().propose(1).step({ type: 'read-index', nowMs: 0, seq: 1 });
    expect(outcomes(lone)).toEqual(['no-leader']);
    expect(lone.effects('read-failed')).toMatchObject([{ refused: 'no-leader' }]);
  });

  it('when the leader leaves office for lack of a quorum', () => {
    const lone = leader().step({ type: 'read-index', nowMs: 0, seq: 1 });
    for (let round = 0; round < 20; round += 1) lone.tick(100);
    expect(lone.core.status()).toMatchObject({ role: expect.not.stringMatching('leader'), quorum: false });
    expect(lone.effects('read-failed')).toMatchObject([{ seq: 1, refused: 'no-quorum' }]);
  });

  it('when the leader that was asked to confirm a read is silent, or another takes its place', () => {
    const lone = new LoneCore().receive('b', appendOf(1, [0, 0], [])).look();
    lone.step({ type: 'read-index', nowMs: lone.nowMs, seq: 1 });
    lone.receive('c', appendOf(2, [0, 0], []));
    expect(lone.effects('read-failed')).toMatchObject([{ seq: 1, refused: 'no-leader' }]);
    lone.look().step({ type: 'read-index', nowMs: lone.nowMs, seq: 2 });
    for (let round = 0; round < 10; round += 1) {
      lone.receive('c', { type: 'heartbeat', term: 2, commit: 0, readSeq: 0 }).tick(100);
    }
    expect(lone.effects('read-failed')).toMatchObject([{ seq: 2, refused: 'no-quorum' }]);
  });
});

describe('forwarded requests', () => {
  const proposals = [{ seq: 7, data: new Uint8Array(0) }];
  const change = { steps: [{ op: 'add-learner', id: 'd' }], context: new Uint8Array(0) } as const;

  it('are good for the term in which they were sent, so that a later term settles their fate', () => {
    const lone = leader({ hard: { term: 4 } });
    lone.receive('b', { type: 'forward', term: 4, proposals });
    lone.receive('b', { type: 'forward-conf', term: 4, seq: 8, change });
    lone.receive('b', { type: 'forward', term: 5, proposals });
    const answers = lone.sent('forward-response').flatMap(({ message }) => message.results);
    expect(answers.map(({ seq, refused }) => [seq, refused])).toEqual([
      [7, 'not-leader'],
      [8, 'not-leader'],
      [7, null],
    ]);
  });
});

describe('commit news that may wait', () => {
  const told = (lone: LoneCore): string[] => lone.sent('append').map(({ to, message }) => `${to}:${message.commit}`);
  const delayed = (): LoneCore => leader({ config: { commitDelayMs: 2 } });

  it('travels with the next entries', () => {
    const lone = delayed().receive('c', ackOf(1, 1)).look().propose(1).write().look().receive('b', ackOf(1, 2));
    expect(lone.core.status().commit).toBe(2);
    expect(told(lone)).toEqual([]);
    lone.propose(1);
    expect(told(lone)).toEqual(['b:2', 'c:2']);
    expect(told(lone.look().tick(2))).toEqual([]);
  });

  it('goes by itself where no entries follow in time', () => {
    const lone = delayed().receive('c', ackOf(1, 1)).look().propose(1).write().look().receive('b', ackOf(1, 2));
    expect(lone.effects('wake-at').map(({ atMs }) => atMs)).toEqual([lone.nowMs + 2]);
    expect(told(lone.tick(2))).toEqual(['b:2', 'c:2']);
    expect(told(lone.look().tick(2))).toEqual([]);
  });

  it('reaches the replica that waits for its own proposal at once', () => {
    const lone = delayed().receive('c', ackOf(1, 1)).look();
    lone
      .receive('c', { type: 'forward', term: 1, proposals: [{ seq: 7, data: new Uint8Array(1) }] })
      .write()
      .look();
    expect(told(lone.receive('b', ackOf(1, 2)))).toEqual(['c:2']);
  });

  it('is never kept back for a change of membership', () => {
    const lone = delayed().receive('c', ackOf(1, 1)).look();
    const change = { steps: [{ op: 'add-learner', id: 'd' }], context: new Uint8Array(0) } as const;
    lone.step({ type: 'propose-conf', nowMs: lone.nowMs, wallMs: 0, seq: 1, change }).write().look();
    expect(told(lone.receive('b', ackOf(1, 2))).slice(0, 2)).toEqual(['b:2', 'c:2']);
  });
});

describe('disk and loop', () => {
  it('a full disk refuses, and a stalled one hands over or steps down', () => {
    const lone = leader();
    lone.step({ type: 'disk', nowMs: lone.nowMs, stalled: false, full: true }).propose(1);
    expect(outcomes(lone)).toEqual(['disk-full']);
    lone.step({ type: 'disk', nowMs: lone.nowMs, stalled: true, full: false });
    expect(lone.sent('timeout-now').map(({ to }) => to)).toEqual(['b']);
    lone.tick(400);
    expect(lone.core.status()).toMatchObject({ role: 'follower', leader: null });
  });

  it('a link that breaks while a follower is probed does not send the probe back to the beginning', () => {
    const lone = new LoneCore({ terms: [1, 1, 1] }).elect().look();
    lone.step({ type: 'link-down', nowMs: lone.nowMs, peer: 'c', reset: false });
    lone.step({ type: 'link-up', nowMs: lone.nowMs, peer: 'c' });
    const probes = lone.sent('append').filter(({ to }) => to === 'c');
    expect(probes.map(({ message }) => message.prevIndex)).toEqual([3]);
  });

  it('a replica on a stalled disk does not campaign', () => {
    const lone = new LoneCore().step({ type: 'disk', nowMs: 0, stalled: true, full: false });
    for (let round = 0; round < 20; round += 1) lone.tick(100);
    expect(lone.core.status().role).toBe('follower');
  });

  it('a commit index that nothing else carries reaches the disk by itself', () => {
    const lone = leader().write().look();
    for (let round = 0; round < 5; round += 1) lone.tick(100);
    expect(lone.effects('persist').map(({ hard, append }) => [hard.commit, append.length])).toEqual([[1, 0]]);
  });

  const stampsOf = (lone: LoneCore): number[] =>
    lone.effects('persist').flatMap(({ append }) => append.map(({ stampMs }) => stampMs));
  const proposeAt = (lone: LoneCore, nowMs: number, wallMs: number): LoneCore =>
    lone.step({ type: 'propose', nowMs, wallMs, proposals: [{ seq: nowMs, data: new Uint8Array(0) }] });

  it('log time goes on at its own pace, whatever the wall clock of the leader does', () => {
    const lone = leader().look();
    proposeAt(lone, 1_000, 5_000_000);
    proposeAt(lone, 2_000, 5_001_000 + 3_600_000);
    proposeAt(lone, 3_000, 10);
    const [first = 0, second = 0, third = 0] = stampsOf(lone);
    // A second each, and half a millisecond toward what the wall clock says.
    expect([second - first, third - second].every((ms) => ms >= 999 && ms <= 1_001)).toBe(true);
  });

  it('a new leader continues the time of the log, not that of its own wall clock', () => {
    const lone = new LoneCore();
    const entry = {
      index: 1,
      term: 1,
      kind: 0,
      stampMs: 7_000_000,
      origin: '',
      seq: 0,
      data: new Uint8Array(0),
    } as const;
    lone.receive('b', { type: 'append', term: 1, prevIndex: 0, prevTerm: 0, entries: [entry], commit: 0 }).write();
    const heardAtMs = lone.nowMs;
    lone.look().timeout();
    lone.receive('b', { type: 'vote-response', term: 2, pre: true, granted: true }).write();
    lone.receive('b', { type: 'vote-response', term: 2, pre: false, granted: true });
    const [stamp = 0] = stampsOf(lone);
    expect(stamp).toBeGreaterThanOrEqual(7_000_000);
    expect(stamp - 7_000_000).toBeLessThanOrEqual(lone.nowMs - heardAtMs);
  });

  it('stamps are whole milliseconds: the leader applies the very stamp that wire and disk carry to the others', () => {
    const lone = new LoneCore().look().timeout();
    lone.receive('b', { type: 'vote-response', term: 1, pre: true, granted: true });
    lone.receive('b', { type: 'vote-response', term: 1, pre: false, granted: true });
    // Its own vote becomes durable between two milliseconds, by an event that carries no wall clock.
    lone.nowMs += 0.25;
    lone.write();
    const stamps = lone.effects('persist').flatMap(({ append }) => append.map(({ stampMs }) => stampMs));
    expect(stamps).toHaveLength(1);
    expect(stamps.every(Number.isInteger)).toBe(true);
  });
});

describe('divergence', () => {
  const report = (index: number, digest: string) =>
    ({ ...ackOf(1, 1), digestIndex: index, digest }) as ReturnType<typeof ackOf>;
  const checkpoint = (lone: LoneCore, digest: string): LoneCore =>
    lone.step({ type: 'applied', nowMs: lone.nowMs, wallMs: 0, index: 1, digest });

  it('equal digests are no news', () => {
    const lone = checkpoint(leader(), 'x').receive('b', report(1, 'x')).receive('c', report(1, 'x'));
    expect(lone.effects('diverged')).toEqual([]);
  });

  it('the odd one is named once, whoever reports first', () => {
    const lone = leader().receive('b', report(1, 'y')).receive('c', report(1, 'x'));
    checkpoint(lone, 'x').receive('b', report(1, 'y'));
    expect(lone.effects('diverged')).toEqual([{ type: 'diverged', replica: 'b', index: 1, ours: 'x', theirs: 'y' }]);
  });

  it('a majority is right against the leader', () => {
    const lone = checkpoint(leader(), 'x').receive('b', report(1, 'y')).receive('c', report(1, 'y'));
    expect(lone.effects('diverged')).toEqual([{ type: 'diverged', replica: 'a', index: 1, ours: 'x', theirs: 'y' }]);
  });
});

describe('the end', () => {
  it('a broken invariant gives one halt and then nothing', () => {
    const options = { config: {}, seed: 1, mayVote: true, nowMs: 0, wallMs: 0 };
    const recovered = {
      hard: { term: 1, vote: null, commit: 1 },
      snapshot: null,
      entries: [entryOf(1, 1)],
      firstIndex: 1,
      conf: { ...EMPTY_CONF, voters: ['a', 'b', 'c'] },
    };
    const core = createCore({ self: 'a', recovered, ...options });
    const message = appendOf(1, [0, 0], []);
    const from = (id: string) => core.step({ type: 'receive', nowMs: 1, wallMs: 1, from: id, message });
    expect(from('b').some(({ type }) => type === 'halt')).toBe(false);
    // Two leaders in one term: one of us is not to be trusted.
    expect(from('c')).toEqual([{ type: 'halt', reason: 'invariant in receive: one leader per term' }]);
    expect(from('b')).toEqual([]);
    expect(core.status().halted).toBe(true);
  });

  it('what does not hang together is not started from', () => {
    const recovered = {
      hard: { term: 1, vote: null, commit: 5 },
      snapshot: null,
      entries: [],
      firstIndex: 1,
      conf: EMPTY_CONF,
    };
    const options = { self: 'a', seed: 1, recovered, nowMs: 0, wallMs: 0 };
    expect(() => createCore({ ...options, mayVote: true })).toThrow('beyond the log');
    expect(createCore({ ...options, mayVote: false }).status().commit).toBe(0);
  });

  it('the same events give the same effects', () => {
    const run = (): string => {
      const lone = leader().propose(3).write().receive('b', ackOf(1, 4)).tick(100);
      return JSON.stringify(lone.seen);
    };
    expect(run()).toBe(run());
  });
});
