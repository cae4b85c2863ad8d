/** What happens while something else is still under way: a second snapshot, a second transfer, an office taken again. */
import { describe, expect, it } from 'vitest';
import { ackOf, appendOf, entryOf, LoneCore } from '../testing/lone-core.ts';
import type { Message } from './messages.ts';
import { EMPTY_CONF, type SnapshotMeta } from './types.ts';

const conf = { ...EMPTY_CONF, voters: ['a', 'b', 'c'] };
const snapshotAt = (index: number): SnapshotMeta => ({ index, term: 1, conf, digest: '', sizeBytes: 0 });
const sorted = (ids: readonly string[]): string[] => [...ids].sort();

describe('a snapshot', () => {
  const arrives = (lone: LoneCore, index: number): LoneCore =>
    lone.step({ type: 'snapshot-received', nowMs: lone.nowMs, from: 'b', term: 1, meta: snapshotAt(index) });

  it('that arrives while an earlier one is being written does not cut off acknowledged entries behind it', () => {
    const lone = arrives(new LoneCore().receive('b', appendOf(1, [0, 0], [])).write(), 5);
    lone.receive('b', appendOf(1, [5, 1], [1, 1, 1, 1, 1])).look();
    arrives(lone, 8).write();
    const acknowledged = lone.sent('append-response').map(({ message }) => message.index);
    expect(Math.max(...acknowledged)).toBe(10);
    expect(lone.core.status()).toMatchObject({ lastIndex: 10, durableIndex: 10, commit: 8, applying: 8 });
  });
});

describe('a disk that stalls', () => {
  const stall = (lone: LoneCore): LoneCore =>
    lone.step({ type: 'disk', nowMs: lone.nowMs, stalled: true, full: false });
  const transfer = (lone: LoneCore, to: string): LoneCore =>
    lone.step({ type: 'transfer', nowMs: lone.nowMs, wallMs: 0, to });
  const leader = (): LoneCore => new LoneCore().elect().receive('b', ackOf(1, 1)).receive('c', ackOf(1, 1)).look();
  const isInOffice = (lone: LoneCore): boolean => {
    for (let round = 0; round < 6; round += 1) {
      lone.tick(100);
      for (const from of ['b', 'c']) lone.receive(from, { type: 'heartbeat-response', term: 1, readSeq: 0 });
    }
    return lone.core.status().role === 'leader';
  };

  it('ends the office of a leader that was handing over to the same voter already', () => {
    expect(isInOffice(stall(transfer(leader(), 'b')))).toBe(false);
  });

  it('ends it also where another handing over is asked for meanwhile', () => {
    expect(isInOffice(transfer(stall(leader()), 'c'))).toBe(false);
  });

  it('and answers again before the time is up ends no office', () => {
    const lone = stall(leader());
    lone.step({ type: 'disk', nowMs: lone.nowMs, stalled: false, full: false });
    expect(isInOffice(lone)).toBe(true);
  });

  it('before the votes are counted ends the office of whoever they elect', () => {
    const lone = new LoneCore().timeout();
    lone.receive('b', { type: 'vote-response', term: 1, pre: true, granted: true }).write();
    stall(lone).receive('b', { type: 'vote-response', term: 1, pre: false, granted: true });
    expect(lone.core.status().role).toBe('leader');
    expect(isInOffice(lone)).toBe(false);
  });
});

describe('a leader elected again', () => {
  const read = (lone: LoneCore, seq: number): LoneCore => lone.step({ type: 'read-index', nowMs: lone.nowMs, seq });

  it('asks for the confirmation of its first read at once', () => {
    const lone = read(new LoneCore().elect().receive('b', ackOf(1, 1)), 1);
    lone.receive('b', { type: 'heartbeat-response', term: 1, readSeq: 1 });
    expect(lone.effects('read-ready').map(({ seq }) => seq)).toEqual([1]);
    lone
      .receive('c', appendOf(2, [1, 1], []))
      .write()
      .elect()
      .receive('b', ackOf(3, 2))
      .look();
    const rounds = read(lone, 2).sent('heartbeat');
    expect(sorted(rounds.map(({ to }) => to))).toEqual(['b', 'c']);
    expect(rounds.map(({ message }) => message.readSeq)).toEqual([2, 2]);
  });
});

describe('log time', () => {
  it('does not leap toward the wall clock of a new leader by what it could have gone while others led', () => {
    const lone = new LoneCore();
    const hear = (index: number): void => {
      const entry = { ...entryOf(index, 1), stampMs: lone.nowMs };
      const message = { ...appendOf(1, [index - 1, index - 1 && 1], []), entries: [entry] } as Message;
      lone.receive('b', message).write();
    };
    hear(1);
    lone.nowMs += 10 * 86_400_000;
    hear(2);
    lone.look().timeout();
    lone.receive('b', { type: 'vote-response', term: 2, pre: true, granted: true }).write();
    // An hour ahead of the log.
    const wallMs = lone.nowMs + 3_600_000;
    const message = { type: 'vote-response', term: 2, pre: false, granted: true } as const;
    lone.step({ type: 'receive', nowMs: lone.nowMs, wallMs, from: 'b', message });
    const stamps = lone.effects('persist').flatMap(({ append }) => append.map(({ stampMs }) => stampMs));
    expect(stamps).toHaveLength(1);
    expect((stamps[0] ?? Infinity) - lone.nowMs).toBeLessThan(10);
  });
});
