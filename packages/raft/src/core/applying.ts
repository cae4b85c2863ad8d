/**
 * Hands committed entries to the host, in order, once they are on our own disk too. Membership changes take effect on the
 * way, each before the host sees its entry.
 */
import { noteCheckpoint } from './digests.ts';
import { assert } from './assert.ts';
import { enforceConfEntry, leadUnderNewConf, leaveJointIfDue } from './membership.ts';
import type { RaftState } from './state.ts';
import { EntryKind, type Index } from './types.ts';

export function handOver(s: RaftState): void {
  // A change may make more entries committed, so look again after each.
  while (!s.installing && s.applying < Math.min(s.commit, s.durable)) {
    const last = Math.min(s.commit, s.durable);
    const change = s.log.firstConfIndex(s.applying + 1, last);
    if (change === null) give(s, last);
    else changeMembership(s, change);
    if (s.leading !== null) leaveJointIfDue(s, s.leading);
  }
}

/** Everything up to `to`, which is kept. */
function give(s: RaftState, to: Index): void {
  for (const entries of s.log.rows(s.applying + 1, to)) s.effects.push({ type: 'apply', entries });
  s.applying = to;
}

/** Entries up to the change at `index`. */
function changeMembership(s: RaftState, index: Index): void {
  const change = s.log.entryAt(index);
  assert(change?.kind === EntryKind.conf, 'entries are handed over up to a change of membership');
  const before = s.conf;
  enforceConfEntry(s, change);
  give(s, index);
  if (s.leading !== null) leadUnderNewConf(s, s.leading, before);
}

export function handleApplied(s: RaftState, index: Index, digest: string): void {
  assert(index <= s.applying, 'only what was handed over can be applied');
  assert(index >= s.applied, 'the state machine never goes back');
  s.applied = index;
  if (digest !== '') noteCheckpoint(s, index, digest);
}
