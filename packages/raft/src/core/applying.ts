/**
 * Hands committed entries to the host, in order, once they are on our own disk too. Membership changes take effect on the
 * way, each before the host sees its entry.
 */
import { noteCheckpoint } from './digests.ts';
import { assert } from './assert.ts';
import { enforceConfEntry, leadUnderNewConf, leaveJointIfDue } from './membership.ts';
import type { RaftState } from './state.ts';
import { EntryKind, type Entry, type Index } from './types.ts';

export function handOver(s: RaftState): void {
  // A change may make more entries committed, so look again after each.
  while (!s.installing && s.applying < Math.min(s.commit, s.durable)) {
    const last = Math.min(s.commit, s.durable);
    const change = s.log.firstConfIndex(s.applying + 1, last);
    const entries = s.log.slice(s.applying + 1, change ?? last);
    if (change === null) give(s, entries);
    else changeMembership(s, entries);
    if (s.leading !== null) leaveJointIfDue(s, s.leading);
  }
}

function give(s: RaftState, entries: readonly Entry[]): void {
  s.applying += entries.length;
  s.effects.push({ type: 'apply', entries });
}

/** The last of the entries is the change. */
function changeMembership(s: RaftState, entries: readonly Entry[]): void {
  const change = entries.at(-1);
  assert(change?.kind === EntryKind.conf, 'entries are handed over up to a change of membership');
  const before = s.conf;
  enforceConfEntry(s, change);
  give(s, entries);
  if (s.leading !== null) leadUnderNewConf(s, s.leading, before);
}

export function handleApplied(s: RaftState, index: Index, digest: string): void {
  assert(index <= s.applying, 'only what was handed over can be applied');
  assert(index >= s.applied, 'the state machine never goes back');
  s.applied = index;
  if (digest !== '') noteCheckpoint(s, index, digest);
}
