/** Who counts as alive, over changes of leaders. */
import { expect, it } from 'vitest';
import { livenessTimeoutMs, livenessUnlinkedMs } from '../limits.ts';
import { countsAsAlive } from './liveness.ts';

it('is patient with a silent member, less so where its connection is broken', () => {
  const alive = { wasAlive: true, leadsMs: 60_000 };
  expect(countsAsAlive({ ...alive, silentMs: livenessTimeoutMs - 1, linked: true })).toBe(true);
  expect(countsAsAlive({ ...alive, silentMs: livenessTimeoutMs, linked: true })).toBe(false);
  expect(countsAsAlive({ ...alive, silentMs: livenessUnlinkedMs - 1, linked: false })).toBe(true);
  expect(countsAsAlive({ ...alive, silentMs: livenessUnlinkedMs, linked: false })).toBe(false);
});

it('does not bring the dead to life where a new leader has heard of nobody yet', () => {
  const dead = { wasAlive: false, linked: false };
  expect(countsAsAlive({ ...dead, silentMs: 5, leadsMs: 5 })).toBe(false);
  expect(countsAsAlive({ ...dead, silentMs: 500, leadsMs: 500 })).toBe(false);
  expect(countsAsAlive({ ...dead, silentMs: 20, leadsMs: 500 })).toBe(true);
});
