/**
 * Log time: what leaders stamp entries with, and the only clock that replicated state reads.
 *
 * It goes on at the pace of a monotonic clock from where the log itself stands, so a new leader whose wall clock is hours
 * off neither ages every session at once nor stops time until it catches up. Only a replica that has seen no entry since it
 * started (a whole cluster that was down) begins with its wall clock. Slow differences are evened out as NTP does, by
 * slewing: log time approaches the leader's wall clock by at most half a millisecond a second.
 */
import type { RaftState } from './state.ts';
import type { Entry } from './types.ts';

const SLEW_MAX_RATIO = 0.0005;

/** An entry of the leader's arrived: log time is at least this far ahead of our monotonic clock. */
export function noteStamp(s: RaftState, entry: Entry): void {
  s.logLeadMs = Math.max(s.logLeadMs ?? -Infinity, entry.stampMs - s.nowMs);
  // Whoever led until now did the slewing of this time.
  s.stampedAtMs = s.nowMs;
}

/**
 * The stamp of what this leader appends now: never less than the entry before. Whole milliseconds: disk and wire carry no
 * fractions, and the leader must apply the very stamp that the others do.
 */
export function nextStamp(s: RaftState, previous: Entry | undefined): number {
  const wallLeadMs = s.wallMs - s.wallAtMs;
  s.logLeadMs = s.logLeadMs === null ? wallLeadMs : slewed(s.logLeadMs, wallLeadMs, s.nowMs - s.stampedAtMs);
  s.stampedAtMs = s.nowMs;
  return Math.max(previous?.stampMs ?? 0, Math.floor(s.nowMs + s.logLeadMs));
}

function slewed(leadMs: number, goalMs: number, elapsedMs: number): number {
  const step = Math.max(0, elapsedMs) * SLEW_MAX_RATIO;
  return leadMs + Math.max(-step, Math.min(step, goalMs - leadMs));
}
