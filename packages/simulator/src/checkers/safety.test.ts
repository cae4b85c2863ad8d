/** Every checker, proven on a trace that breaks its property and on one that does not. */
import { beforeEach, describe, expect, it } from 'vitest';
import { EMPTY_CONF } from '@flotilla/raft';
import type { ConfState, Entry } from '@flotilla/raft';
import type { Message, Operation } from '@flotilla/raft/internals';
import { followsSafely } from './committed.ts';
import { SafetyChecks } from './safety.ts';
import { Violations } from './violations.ts';

const CONF: ConfState = { ...EMPTY_CONF, voters: ['a', 'b', 'c'] };

let violations: Violations;
let checks: SafetyChecks;

beforeEach(() => {
  violations = new Violations(
    () => 0,
    () => undefined,
  );
  const limits = { maxPendingReads: 10, maxPendingProposals: 10, maxUncommittedBytes: 10 };
  checks = new SafetyChecks(violations, CONF, limits);
});

const broken = (): string | undefined => violations.first?.checker;

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Bytes as the store writes them; checksums are the store's business and left out. */
function hard(term: number, vote: string, lastIndex: number, commit = 0): Operation {
  const text = Buffer.from(vote);
  const value = Buffer.concat([
    u32(0),
    u64(term),
    Buffer.from([0, text.length]),
    text,
    u64(commit),
    u64(1),
    u64(lastIndex),
  ]);
  return { type: 'put', key: Buffer.from('H'), value };
}

function snapshot(index: number, { voters, votersOutgoing, learners, learnersNext, autoLeave }: ConfState): Operation {
  const text = (id: string): Buffer => Buffer.concat([Buffer.from([0, id.length]), Buffer.from(id)]);
  const lists = [voters, votersOutgoing, learners, learnersNext].flatMap((ids) => [u32(ids.length), ...ids.map(text)]);
  const value = Buffer.concat([u32(0), u32(1), u32(1), u64(index), u64(1), ...lists, Buffer.from([autoLeave ? 1 : 0])]);
  return { type: 'put', key: Buffer.from('S'), value };
}

function block(index: number, term: number, options: { prevTerm?: number; data?: string } = {}): Operation {
  const data = Buffer.from(options.data ?? 'x');
  const record = [u32(0), Buffer.from([0, 0]), u64(index), u64(term), u64(0), u64(0), u32(data.length), data];
  const value = Buffer.concat([u32(0), u64(options.prevTerm ?? 0), u32(1), ...record]);
  return { type: 'put', key: Buffer.concat([Buffer.from('L'), u64(index)]), value };
}

const entry = (index: number, term: number): Entry => ({
  index,
  term,
  kind: 0,
  stampMs: 0,
  origin: 'a',
  seq: index,
  data: new Uint8Array(0),
});

/** Entry 1 of term 1 on the disks of these. */
function store(...replicas: string[]): void {
  for (const replica of replicas) checks.durable(replica, [block(1, 1), hard(1, '', 1)]);
}

const send = (from: string, to: string, message: object): void => checks.sent(from, to, message as Message);

describe('election safety', () => {
  it('two leaders in a term', () => {
    checks.role('a', { role: 'leader', term: 3 });
    checks.role('b', { role: 'leader', term: 4 });
    checks.role('b', { role: 'follower', term: 3 });
    expect(broken()).toBeUndefined();
    checks.role('b', { role: 'leader', term: 3 });
    expect(broken()).toBe('election safety');
  });

  it('a leader without a committed entry', () => {
    store('a', 'b');
    checks.applied('a', entry(1, 1), 'chain');
    checks.role('b', { role: 'leader', term: 2 });
    expect(broken()).toBeUndefined();
    checks.role('c', { role: 'leader', term: 3 });
    expect(broken()).toBe('leader completeness');
  });

  it('a leader of an old term need not have what a later one committed', () => {
    store('a', 'b');
    for (const replica of ['a', 'b']) checks.durable(replica, [hard(5, '', 1)]);
    checks.applied('a', entry(1, 1), 'chain');
    checks.role('c', { role: 'leader', term: 4 });
    expect(broken()).toBeUndefined();
  });
});

describe('disks', () => {
  it('an entry that differs from the one of the same place and term', () => {
    checks.durable('a', [block(1, 1), hard(1, '', 1)]);
    checks.durable('b', [block(1, 1), hard(1, '', 1)]);
    expect(broken()).toBeUndefined();
    checks.durable('c', [block(1, 1, { data: 'other' }), hard(1, '', 1)]);
    expect(broken()).toBe('log matching');
  });

  it('an entry with another predecessor', () => {
    checks.durable('a', [block(2, 2, { prevTerm: 1 }), hard(2, '', 2)]);
    checks.durable('b', [block(2, 2, { prevTerm: 2 }), hard(2, '', 2)]);
    expect(broken()).toBe('log matching');
  });

  it('a committed entry that is replaced', () => {
    store('a', 'b');
    checks.applied('a', entry(1, 1), 'chain');
    checks.durable('b', [block(1, 2), hard(2, '', 1, 1)]);
    expect(broken()).toBe('committed entries stay');
  });

  it('a term that falls', () => {
    checks.durable('a', [hard(5, '', 0)]);
    checks.durable('a', [hard(4, '', 0)]);
    expect(broken()).toBe('durable term');
  });

  it('a second vote in a term', () => {
    checks.durable('a', [hard(5, 'b', 0)]);
    checks.durable('a', [hard(6, 'c', 0)]);
    expect(broken()).toBeUndefined();
    checks.durable('a', [hard(6, 'b', 0)]);
    expect(broken()).toBe('one vote per term');
  });

  it('a snapshot of what nobody applied', () => {
    checks.durable('a', [snapshot(9, CONF)]);
    expect(broken()).toBe('snapshots hold only what is committed');
  });

  it('a snapshot with a membership that came into force after it', () => {
    const after = { ...CONF, learners: ['d'] };
    // Version, no steps; voters, none outgoing, one learner, none to be; not to be left by itself.
    const voters = [0, 3, 0, 1, 97, 0, 1, 98, 0, 1, 99];
    const data = Uint8Array.from([1, 0, 0, ...voters, 0, 0, 0, 1, 0, 1, 100, 0, 0, 0]);
    store('a', 'b');
    for (const id of ['a', 'b']) checks.durable(id, [block(2, 1, { prevTerm: 1 }), hard(1, '', 2)]);
    checks.applied('a', entry(1, 1), 'chain');
    checks.applied('a', { ...entry(2, 1), kind: 1, data }, 'chain 2');
    checks.durable('a', [snapshot(1, CONF)]);
    checks.durable('b', [snapshot(2, after)]);
    expect(broken()).toBeUndefined();
    checks.durable('c', [snapshot(1, after)]);
    expect(broken()).toBe('membership of a snapshot');
  });

  it('a tail that was cut off is told from one that stands', () => {
    store('a');
    expect(checks.durable('a', [hard(2, '', 1)])).toBe(false);
    expect(checks.durable('a', [block(1, 2), hard(2, '', 1)])).toBe(true);
  });
});

describe('applying', () => {
  it('what only one of three disks holds', () => {
    store('a');
    checks.applied('a', entry(1, 1), 'chain');
    expect(broken()).toBe('committed is durable on a quorum');
  });

  it('another history than the others', () => {
    store('a', 'b');
    checks.applied('a', entry(1, 1), 'chain');
    checks.applied('b', entry(1, 1), 'chain');
    expect(broken()).toBeUndefined();
    checks.applied('c', entry(1, 1), 'another');
    expect(broken()).toBe('state machine safety');
  });

  it('out of order', () => {
    store('a', 'b');
    checks.applied('a', entry(2, 1), 'chain');
    expect(broken()).toBe('applied in order');
  });

  it('a restored state that nobody had', () => {
    store('a', 'b');
    checks.applied('a', entry(1, 1), 'chain');
    checks.restored('c', 1, 'another');
    expect(broken()).toBe('state machine safety');
  });

  it('a command of a session that takes effect twice', () => {
    const command = { client: 1, seq: 1, op: 'add', key: 'c', value: 1 } as const;
    checks.command('a', entry(1, 1), command, true);
    checks.command('b', entry(1, 1), command, true);
    checks.command('a', entry(2, 1), command, false);
    expect(broken()).toBeUndefined();
    checks.command('a', entry(3, 1), command, true);
    expect(broken()).toBe('exactly once');
  });
});

describe('messages', () => {
  const grant = { type: 'vote-response', term: 2, pre: false, granted: true };

  it('a vote that is not on disk', () => {
    checks.durable('a', [hard(2, 'b', 0)]);
    send('a', 'b', grant);
    send('c', 'b', { ...grant, pre: true });
    send('c', 'b', { ...grant, granted: false });
    expect(broken()).toBeUndefined();
    send('a', 'c', grant);
    expect(broken()).toBe('durable before visible');
  });

  it('a candidacy that is not on disk', () => {
    send('a', 'b', { type: 'vote', term: 2, pre: false });
    expect(broken()).toBe('durable before visible');
  });

  it('an acknowledgement of what is not on disk', () => {
    store('a');
    send('a', 'b', { type: 'append-response', term: 1, rejected: false, index: 1 });
    send('a', 'b', { type: 'append-response', term: 1, rejected: true, index: 9 });
    expect(broken()).toBeUndefined();
    send('a', 'b', { type: 'append-response', term: 1, rejected: false, index: 2 });
    expect(broken()).toBe('durable before visible');
  });
});

describe('what a process says of itself', () => {
  const status = {
    term: 2,
    commit: 5,
    applied: 5,
    lastIndex: 6,
    pendingReads: 0,
    pendingProposals: 0,
    uncommittedBytes: 0,
  };

  it('going back', () => {
    checks.status('a', status);
    checks.started('a');
    checks.status('a', { ...status, commit: 4, applied: 4 });
    expect(broken()).toBeUndefined();
    checks.status('a', { ...status, commit: 3, applied: 3 });
    expect(broken()).toBe('term, commit and applied rise');
  });

  it('applied beyond commit', () => {
    checks.status('a', { ...status, applied: 6 });
    expect(broken()).toBe('applied ≤ commit ≤ last');
  });

  it('more memory than promised', () => {
    checks.status('a', { ...status, pendingReads: 11 });
    expect(broken()).toBe('bounded memory');
  });

  it('a read position before what was committed', () => {
    checks.read('a', 5, 5);
    expect(broken()).toBeUndefined();
    checks.read('a', 5, 4);
    expect(broken()).toBe('read index');
  });

  it('another membership than the committed one', () => {
    store('a', 'b');
    checks.applied('a', entry(1, 1), 'chain');
    checks.conf('a', 1, CONF);
    expect(broken()).toBeUndefined();
    checks.conf('b', 1, { ...CONF, voters: ['a', 'b'] });
    expect(broken()).toBe('membership in force');
  });
});

describe('memberships in a row', () => {
  const joint: ConfState = { ...EMPTY_CONF, voters: ['c', 'd', 'e'], votersOutgoing: CONF.voters };

  it.each([
    { name: 'one voter more', before: CONF, after: { ...CONF, voters: ['a', 'b', 'c', 'd'] }, safe: true },
    { name: 'one exchanged at once', before: CONF, after: { ...CONF, voters: ['a', 'b', 'd'] }, safe: false },
    { name: 'into joint', before: CONF, after: joint, safe: true },
    { name: 'out of joint', before: joint, after: { ...EMPTY_CONF, voters: joint.voters }, safe: true },
    { name: 'out of joint, elsewhere', before: joint, after: CONF, safe: false },
    { name: 'joint with another outgoing half', before: { ...CONF, voters: ['x'] }, after: joint, safe: false },
  ])('$name', ({ before, after, safe }) => {
    expect(followsSafely(before, after)).toBe(safe);
  });
});
