/** Planned drain of a node: the order of the phases, the deadline, and what the node itself does. */
import { describe, expect, it } from 'vitest';
import type { DrainRow } from '../state/index.ts';
import { drainStep, OwnDrain } from './drain.ts';

const propagationMs = 3_000;

const row = (rest: Partial<DrainRow>): DrainRow => ({
  id: 'n1',
  phase: 'withdrawing',
  phaseSinceMs: 1_000,
  startedMs: 1_000,
  propagationMs,
  deadlineMs: 5_000,
  reason: '',
  author: '',
  forced: false,
  connections: null,
  ...rest,
});
const busy = { alive: true, connections: 7, drained: false };

describe('drain', () => {
  it('waits for whatever distributes traffic before it touches a connection', () => {
    expect(drainStep(row({}), 1_000 + propagationMs - 1, busy)).toBeNull();
    expect(drainStep(row({}), 1_000 + propagationMs, busy)).toEqual({ phase: 'draining', connections: 7 });
  });

  it('tells what is left, and ends when nothing is left or time is over', () => {
    const draining = row({ phase: 'draining', connections: 9 });
    expect(drainStep(draining, 2_000, busy)).toEqual({ phase: 'draining', connections: 7 });
    expect(drainStep(row({ phase: 'draining', connections: 7 }), 2_000, busy)).toBeNull();
    expect(drainStep(draining, 2_000, { ...busy, connections: 0 })).toEqual({ phase: 'drained', connections: 0 });
    expect(drainStep(draining, 2_000, { ...busy, drained: true })).toEqual({ phase: 'drained', connections: 7 });
    expect(drainStep(draining, 6_000, busy)).toEqual({ phase: 'drained', connections: 7 });
  });

  it('does not wait for a node that died, and stays at the end', () => {
    const dead = { ...busy, alive: false };
    expect(drainStep(row({}), 1_001, dead)).toEqual({ phase: 'draining', connections: 0 });
    expect(drainStep(row({ phase: 'draining' }), 1_001, dead)).toEqual({ phase: 'drained', connections: 0 });
    expect(drainStep(row({ phase: 'drained' }), 99_000, busy)).toBeNull();
  });

  it('makes the proxy threads follow, once each way, with what is left of the deadline', () => {
    const calls: string[] = [];
    const own = new OwnDrain({ drain: (ms) => calls.push(`drain ${ms}`), undrain: () => calls.push('undrain') });
    own.follow(undefined, 1_000);
    own.follow(row({}), 1_500);
    own.follow(row({ phase: 'draining' }), 3_000);
    own.follow(row({ phase: 'draining', connections: 3 }), 3_200);
    own.follow(row({ phase: 'drained' }), 6_000);
    own.follow(undefined, 7_000);
    // The first one because nobody knows what a control thread before this one had told them.
    expect(calls).toEqual(['undrain', 'drain 3000', 'undrain']);
  });
});
