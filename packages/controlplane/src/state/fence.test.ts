/** The fence of a replica whose state differs: a drain that only another disk ends. */
import { describe, expect, it } from 'vitest';
import { featureLevel } from '../limits.ts';
import { readFence } from './fence.ts';
import { noVoteReason } from './reads.ts';
import { TestLog } from './testing/log.ts';

const FENCE = { type: 'member.fence', id: 'n2', replica: 'n2#1', index: 7, digest: 'aa', itsDigest: 'bb' } as const;

function cluster(...ids: string[]): TestLog {
  const log = new TestLog();
  log.join(...ids);
  return log;
}

describe('a fence', () => {
  it('drains the node, takes its vote on health, and cannot be undone', () => {
    const log = cluster('n1', 'n2', 'n3');
    log.observe('n2', true);
    expect(log.run(FENCE)).toMatchObject({ ok: true, changed: true });
    expect(log.state.drains.get('n2')).toMatchObject({ phase: 'withdrawing', forced: true, fence: { index: 7 } });
    expect(noVoteReason(log.state, 'n2')).toBe('draining');
    expect(log.run({ type: 'drain.cancel', id: 'n2' })).toMatchObject({ ok: false, code: 'CONFLICT' });
    expect(log.run({ type: 'drain.set', id: 'n2', deadlineMs: 1 })).toMatchObject({ ok: true });
    expect(readFence(log.state, 'n2')).toEqual({ replica: 'n2#1', index: 7, digest: 'aa', itsDigest: 'bb' });
    expect(log.run(FENCE)).toMatchObject({ ok: true, changed: false });
    expect([...log.state.audit.entries()].at(-2)?.[1].summary).toBe('fenced: its digest at index 7 is bb, not aa');
  });

  it('makes a drain under way one of its own, without beginning anew', () => {
    const log = cluster('n1', 'n2', 'n3');
    log.run({ type: 'drain.set', id: 'n2' });
    log.run({ type: 'drain.phase', id: 'n2', phase: 'draining', connections: 3 });
    log.run(FENCE);
    expect(log.state.drains.get('n2')).toMatchObject({ phase: 'draining', connections: 3, fence: { replica: 'n2#1' } });
  });

  it('stays over a restart, and ends with another disk or with the member', () => {
    const log = cluster('n1', 'n2', 'n3');
    log.run(FENCE);
    const announce = { type: 'member.announce', id: 'n2', raft: 'r', api: 'a', version: '1', featureLevel } as const;
    log.run({ ...announce, replica: 'n2#1' });
    expect(readFence(log.state, 'n2')).not.toBeNull();
    log.run({ ...announce, replica: 'n2#2' });
    expect(log.state.drains.has('n2')).toBe(false);
    expect(log.run(FENCE)).toMatchObject({ ok: false, code: 'CONFLICT' });
    log.run({ type: 'member.status', id: 'n2', ready: true, reasons: [] });
    log.run({ ...FENCE, replica: 'n2#2' });
    log.run({ type: 'member.remove', id: 'n2' });
    expect(log.state.drains.has('n2')).toBe(false);
  });

  it('never takes the last ready node away', () => {
    const log = cluster('n1', 'n2', 'n3');
    for (const id of ['n1', 'n3']) log.run({ type: 'member.status', id, ready: false, reasons: ['starting'] });
    expect(log.run(FENCE)).toMatchObject({ ok: false, code: 'CONFLICT' });
    log.run({ type: 'member.status', id: 'n1', ready: true, reasons: [] });
    log.run({ type: 'drain.set', id: 'n1', force: true });
    expect(log.run(FENCE)).toMatchObject({ ok: false, code: 'CONFLICT' });
    expect(log.state.drains.has('n2')).toBe(false);
  });
});
