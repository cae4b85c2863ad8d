/** Commands about nodes: announcing, readiness, liveness, leaving, drains and what interlocks them. */
import { describe, expect, it } from 'vitest';
import { featureLevel } from '../limits.ts';
import { TestLog } from './testing/log.ts';

function cluster(...ids: string[]): TestLog {
  const log = new TestLog();
  log.join(...ids);
  return log;
}

describe('members', () => {
  it('announce themselves, are ready when they say so, and are dead when the leader says so', () => {
    const log = cluster('n1');
    expect(log.state.members.get('n1')).toMatchObject({ replica: 'n1#1', ready: true, alive: true, reasons: [] });
    log.run({
      type: 'member.liveness',
      items: [
        { id: 'n1', alive: false },
        { id: 'n9', alive: false },
      ],
    });
    expect(log.state.members.get('n1')).toMatchObject({ alive: false, aliveSinceMs: log.nowMs });
    expect(log.applied.at(-1)?.changes.members).toEqual(['n1']);
    expect(log.state.members.has('n9')).toBe(false);
  });

  it('keep their readiness over a restart and lose it with their disk', () => {
    const log = cluster('n1');
    const again = { type: 'member.announce', id: 'n1', raft: 'a', api: 'b', version: '2', featureLevel } as const;
    log.run({ ...again, replica: 'n1#1' });
    expect(log.state.members.get('n1')).toMatchObject({ ready: true, version: '2' });
    log.run({ ...again, replica: 'n1#2' });
    expect(log.state.members.get('n1')).toMatchObject({ ready: false, reasons: ['starting'] });
    expect(log.run({ ...again, replica: 'n2#1' })).toMatchObject({ ok: false, code: 'BAD_REQUEST' });
  });

  it('leave', () => {
    const log = cluster('n1', 'n2');
    log.run({ type: 'drain.set', id: 'n2', force: true });
    expect(log.run({ type: 'member.remove', id: 'n2' })).toMatchObject({ ok: true });
    expect(log.state.drains.has('n2')).toBe(false);
    expect(log.run({ type: 'member.remove', id: 'n2' })).toMatchObject({ ok: false, code: 'NOT_FOUND' });
    expect(log.run({ type: 'member.status', id: 'n2', ready: true, reasons: [] })).toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('a drain', () => {
  it('goes through its phases, forward only, and can be undone in any', () => {
    const log = cluster('n1', 'n2', 'n3');
    expect(log.run({ type: 'drain.set', id: 'n1', reason: 'kernel', author: 'alice' })).toMatchObject({
      created: true,
    });
    expect(log.state.drains.get('n1')).toMatchObject({ phase: 'withdrawing', deadlineMs: 30_000, author: 'alice' });
    log.wait(3_000);
    log.run({ type: 'drain.phase', id: 'n1', phase: 'draining', connections: 12 });
    expect(log.state.drains.get('n1')).toMatchObject({ phase: 'draining', connections: 12, phaseSinceMs: log.nowMs });
    expect(log.run({ type: 'drain.phase', id: 'n1', phase: 'withdrawing' })).toMatchObject({ code: 'CONFLICT' });
    log.run({ type: 'drain.set', id: 'n1', deadlineMs: 60_000 });
    expect(log.state.drains.get('n1')).toMatchObject({ phase: 'draining', deadlineMs: 60_000, reason: 'kernel' });
    expect(log.run({ type: 'drain.cancel', id: 'n1' })).toMatchObject({ ok: true });
    expect(log.applied.at(-1)?.changes.drains).toEqual(['n1']);
    expect(log.run({ type: 'drain.cancel', id: 'n1' })).toMatchObject({ ok: false, code: 'NOT_FOUND' });
  });

  it.each([
    ['of the only node', ['n1'], () => {}, /no other node is ready/],
    ['of one of two', ['n1', 'n2'], () => {}, /no quorum/],
    [
      'where no other is ready',
      ['n1', 'n2', 'n3'],
      (log: TestLog): void => {
        for (const id of ['n2', 'n3']) log.run({ type: 'member.status', id, ready: false, reasons: ['starting'] });
      },
      /no other node is ready/,
    ],
    [
      'where another is dead',
      ['n1', 'n2', 'n3'],
      (log: TestLog): unknown => log.run({ type: 'member.liveness', items: [{ id: 'n2', alive: false }] }),
      /no quorum/,
    ],
    [
      'while another is drained',
      ['n1', 'n2', 'n3', 'n4', 'n5'],
      (log: TestLog): unknown => log.run({ type: 'drain.set', id: 'n2' }),
      /n2 is being drained/,
    ],
    [
      'where another stands by already, which may stop at any time',
      ['n1', 'n2', 'n3'],
      (log: TestLog): void => {
        log.run({ type: 'drain.set', id: 'n2' });
        log.run({ type: 'drain.phase', id: 'n2', phase: 'drained' });
      },
      /no quorum/,
    ],
    [
      'while the connections of another are drained',
      ['n1', 'n2', 'n3', 'n4', 'n5'],
      (log: TestLog): void => {
        log.run({ type: 'drain.set', id: 'n2' });
        log.run({ type: 'drain.phase', id: 'n2', phase: 'draining' });
      },
      /n2 is being drained/,
    ],
  ] as const)('%s is refused unless forced', (_what, nodes, before, why) => {
    const log = cluster(...nodes);
    before(log);
    const refused = log.run({ type: 'drain.set', id: 'n1' });
    expect(refused).toMatchObject({ ok: false, code: 'CONFLICT' });
    expect(refused.ok ? '' : refused.message).toMatch(why);
    expect(log.state.drains.has('n1')).toBe(false);
    expect(log.run({ type: 'drain.set', id: 'n1', force: true })).toMatchObject({ ok: true });
  });
});

it('the first cluster secret wins', () => {
  const log = new TestLog();
  log.run({ type: 'cluster.init', affinityKey: 'a'.repeat(32) });
  expect(log.run({ type: 'cluster.init', affinityKey: 'b'.repeat(32) })).toMatchObject({ ok: true, changed: false });
  expect(log.state.meta.affinityKey).toBe('a'.repeat(32));
});
