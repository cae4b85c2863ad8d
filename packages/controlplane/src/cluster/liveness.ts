/**
 * Whether the leader counts a member as alive. A new leader has heard of nobody yet: it takes over what was known, declares dead
 * who stays silent from then on, and alive again only who was really heard. Otherwise each change of leaders would bring the
 * dead to life for a moment, and a moment is enough to remove a member that is needed for the quorum.
 */
import { livenessTimeoutMs, livenessUnlinkedMs } from '../limits.ts';

export interface LivenessFacts {
  /** As committed. */
  readonly wasAlive: boolean;
  /** Since it answered the leader, counted from the start of the leadership where it never did. */
  readonly silentMs: number;
  /** Whether its connection stands: one that is broken is a sign of its own, what is silent besides is dead sooner. */
  readonly linked: boolean;
  /** How long this leader leads. */
  readonly leadsMs: number;
}

export function countsAsAlive({ wasAlive, silentMs, linked, leadsMs }: LivenessFacts): boolean {
  const inTime = silentMs < (linked ? livenessTimeoutMs : livenessUnlinkedMs);
  return wasAlive ? inTime : inTime && silentMs < leadsMs;
}
