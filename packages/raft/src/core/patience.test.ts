/** Heavy entries: who applies megabytes is waited for, whose process is gone is not; and small appends that wait for each other. */
import { describe, expect, it } from 'vitest';
import { ackOf, appendOf, entryOf, LoneCore } from '../testing/lone-core.ts';
import type { AppendRequest } from './messages.ts';

const MIB = 1024 * 1024;
/** Longer than any election timeout, shorter than ten megabytes excuse. */
const LONG_MS = 2_000;

function withHeavyEntry(): LoneCore {
  const lone = new LoneCore({ hard: { term: 1 } });
  const heavy: AppendRequest = {
    ...(appendOf(1, [0, 0], []) as AppendRequest),
    entries: [entryOf(1, 1, new Uint8Array(10 * MIB))],
  };
  return lone.receive('b', heavy).write();
}

function pass(lone: LoneCore, ms: number): LoneCore {
  for (let passedMs = 0; passedMs < ms; passedMs += 100) lone.tick(100);
  return lone;
}

describe('a heavy entry', () => {
  it('lets its leader be silent for as long as it takes to apply, and no longer', () => {
    const lone = withHeavyEntry();
    expect(pass(lone, LONG_MS).core.status()).toMatchObject({ role: 'follower', leader: 'b' });
    expect(pass(lone, 4_000).core.status().role).toBe('pre-candidate');
  });

  it('excuses nobody whose connection is reset', () => {
    const lone = withHeavyEntry();
    lone.step({ type: 'link-down', nowMs: lone.nowMs, peer: 'b', reset: true });
    expect(pass(lone, 100).core.status()).toMatchObject({ role: 'pre-candidate', leader: null });
  });

  it('lets followers be silent without costing the leader its office', () => {
    const light = new LoneCore().elect().propose(1, 1_000).write();
    expect(pass(light, LONG_MS).core.status().role).not.toBe('leader');
    const heavy = new LoneCore()
      .elect()
      .propose(1, 10 * MIB)
      .write();
    expect(pass(heavy, LONG_MS).core.status().role).toBe('leader');
  });
});

describe('small appends', () => {
  const leader = () => {
    const lone = new LoneCore({ config: { maxPartialAppends: 1 } }).elect();
    return lone.receive('b', ackOf(1, 1)).receive('c', ackOf(1, 1)).look();
  };
  const toB = (lone: LoneCore) => lone.sent('append').filter(({ to }) => to === 'b');

  it('wait for the answer to the one before, and leave together', () => {
    const lone = leader().propose(1).propose(1).propose(1);
    expect(toB(lone).map(({ message }) => message.entries.length)).toEqual([1]);
    lone.look().receive('b', ackOf(1, 2));
    expect(toB(lone).map(({ message }) => message.entries.length)).toEqual([2]);
  });

  it('leave at once where they fill a message', () => {
    const lone = leader()
      .propose(1)
      .propose(3, 200 * 1024);
    expect(toB(lone).map(({ message }) => message.entries.length)).toEqual([1, 1, 1]);
  });

  it('leave with the next heartbeat where the answer is lost', () => {
    const lone = leader().propose(1).propose(1).look();
    lone.receive('b', { type: 'heartbeat-response', term: 1, readSeq: 0 });
    expect(toB(lone).map(({ message }) => message.entries.length)).toEqual([1]);
  });
});
