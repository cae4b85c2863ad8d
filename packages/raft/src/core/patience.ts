/**
 * Patience with heavy entries. Whoever applies megabytes in one go says nothing meanwhile, and everyone knows it beforehand:
 * the entry is in everyone's log. Followers wait longer for the leader, and a leader for its followers, in proportion to what
 * was appended. Only silence is forgiven: a leader whose connection is reset is followed as fast as ever, and no safety
 * rule asks the time.
 */
import { entryBytes } from './log.ts';
import type { Leadership, RaftState } from './state.ts';
import type { Entry } from './types.ts';

/** An entry that takes long enough to apply to be waited for. */
export function isHeavy(s: RaftState, entry: Entry): boolean {
  return entryBytes(entry) >= s.config.heavyEntryBytes;
}

function neededMs(s: RaftState, entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) if (isHeavy(s, entry)) bytes += entryBytes(entry);
  return Math.min((bytes / s.config.heavyEntryBytes) * s.config.heavyEntryMs, s.config.heavyMaxMs);
}

/** Follower: the leader may be silent for longer. */
export function waitForLeader(s: RaftState, entries: readonly Entry[]): void {
  const neededUntilMs = s.nowMs + neededMs(s, entries);
  if (neededUntilMs === s.nowMs) return;
  s.patientUntilMs = Math.max(s.patientUntilMs, neededUntilMs);
  s.electionDeadlineMs = Math.max(s.electionDeadlineMs, s.patientUntilMs);
}

/** Leader: a quorum may be silent for longer. */
export function waitForQuorum(s: RaftState, leading: Leadership, entries: readonly Entry[]): void {
  const neededUntilMs = s.nowMs + neededMs(s, entries);
  if (neededUntilMs > s.nowMs) leading.quorumGraceMs = Math.max(leading.quorumGraceMs, neededUntilMs);
}
