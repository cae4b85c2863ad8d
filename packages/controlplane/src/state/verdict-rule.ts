/**
 * The rule of health: what a backend's verdict is, as a pure function of what it was, what the voters say, and log time.
 *
 * `observers` is how many voters it takes to bring a backend down. A verdict needs that many votes; until then the last one
 * stands (and the first is `unknown`), so that a tie, or silence, changes nothing.
 */
import type { HealthSpec } from '@flotilla/shared';
import { FLAP_FREE_COUNT, FLAP_WINDOW_MS, HOLD_DOWN_MAX_MS, HOLD_DOWN_STEP_MS } from './limits.ts';
import type { Observation, ObservationsRow, VerdictRow } from './rows.ts';

export interface Tally {
  /** Voters that see it up, and down. */
  readonly up: number;
  readonly down: number;
  /** All that could vote, whether they did or not. */
  readonly voters: number;
  /** The first, by node id, that sees it down. */
  readonly witness: Observation | null;
}

export const UNKNOWN_VERDICT: Omit<VerdictRow, 'sinceMs' | 'reason'> = {
  verdict: 'unknown',
  probe: 'unknown',
  upSinceMs: 0,
  flapCount: 0,
  lastDownMs: 0,
  holdUntilMs: 0,
  ejectedUntilMs: 0,
  ejectionCount: 0,
  lastEjectedMs: 0,
  ejectedBy: '',
};

export function tally(observations: ObservationsRow, voters: ReadonlySet<string>): Tally {
  let up = 0;
  let down = 0;
  let witness: Observation | null = null;
  for (const observation of observations) {
    if (!voters.has(observation.node)) continue;
    if (observation.ok) {
      up++;
    } else {
      down++;
      witness ??= observation;
    }
  }
  return { up, down, voters: voters.size, witness };
}

/** What the votes decide; null: not enough of them, the last decision stands. */
function decide(policy: HealthSpec['observers'], votes: Tally): 'up' | 'down' | null {
  const { up, down, voters } = votes;
  const majority = Math.floor(voters / 2) + 1;
  switch (policy) {
    case 'majority':
      return down >= majority ? 'down' : up >= majority ? 'up' : null;
    case 'any':
      return down >= 1 ? 'down' : up >= majority ? 'up' : null;
    case 'all':
      return up >= 1 ? 'up' : down >= 1 && down === voters ? 'down' : null;
  }
}

/** The next verdict row; the same object where nothing changed. */
export function judge(
  previous: VerdictRow,
  health: Pick<HealthSpec, 'protocol' | 'observers'>,
  votes: Tally,
  timeMs: number,
): VerdictRow {
  const unprobed = health.protocol === 'none';
  const decision = unprobed ? 'up' : decide(health.observers, votes);
  const probe = decision ?? previous.probe;
  const fell = previous.probe === 'up' && probe === 'down' ? fall(previous, timeMs) : null;
  const row = fell === null ? previous : { ...previous, ...fell };
  const verdict = visible(row, probe, decision, timeMs);
  const rested = row.flapCount > 0 && verdict === 'up' && isRested(row, timeMs);
  if (verdict === previous.verdict && probe === previous.probe && fell === null && !rested) return previous;
  const next = { ...row, probe, verdict, ...(rested ? { flapCount: 0, holdUntilMs: 0 } : {}) };
  if (verdict === previous.verdict) return next;
  return {
    ...next,
    sinceMs: timeMs,
    upSinceMs: verdict === 'up' ? timeMs : next.upSinceMs,
    ejectedUntilMs: verdict === 'up' ? 0 : next.ejectedUntilMs,
    reason: unprobed && verdict === 'up' ? 'not probed' : reasonFor(next, votes, timeMs),
  };
}

/** Each fall within the window of the one before counts; beyond the free ones it costs a growing time down. */
function fall(previous: VerdictRow, timeMs: number): Pick<VerdictRow, 'flapCount' | 'lastDownMs' | 'holdUntilMs'> {
  const again = previous.lastDownMs > 0 && timeMs - previous.lastDownMs <= FLAP_WINDOW_MS;
  const flapCount = again ? previous.flapCount + 1 : 1;
  const beyond = flapCount - FLAP_FREE_COUNT;
  const holdMs = beyond > 0 ? Math.min(beyond * HOLD_DOWN_STEP_MS, HOLD_DOWN_MAX_MS) : 0;
  return { flapCount, lastDownMs: timeMs, holdUntilMs: holdMs > 0 ? timeMs + holdMs : 0 };
}

function isRested(row: VerdictRow, timeMs: number): boolean {
  return timeMs - Math.max(row.lastDownMs, row.upSinceMs) > FLAP_WINDOW_MS;
}

function visible(
  row: VerdictRow,
  probe: VerdictRow['probe'],
  decision: 'up' | 'down' | null,
  timeMs: number,
): VerdictRow['verdict'] {
  if (probe !== 'up') return probe;
  if (row.holdUntilMs > timeMs) return 'down';
  if (row.ejectedUntilMs > timeMs) return 'ejected';
  // An ejection is lifted by evidence, not by time alone: probes must say up at that moment.
  if (row.verdict === 'ejected' && decision !== 'up') return 'ejected';
  return 'up';
}

function reasonFor(row: VerdictRow, votes: Tally, timeMs: number): string {
  const { up, down, voters, witness } = votes;
  switch (row.verdict) {
    case 'up':
      return `${up} of ${voters} observers see it up`;
    case 'unknown':
      return 'not enough observers have reported';
    case 'ejected':
      return `ejected for ${row.ejectedUntilMs - row.lastEjectedMs} ms: ${row.ejectedBy} saw it fail traffic`;
    case 'down':
      if (row.probe === 'up')
        return `held down for ${row.holdUntilMs - timeMs} ms more: ${row.flapCount} falls in a row`;
      return `${down} of ${voters} observers see it down${witness === null ? '' : `; ${witness.node}: ${witness.detail}`}`;
  }
}

/** Can its verdict change by the passing of time alone? */
export function isTimed(row: VerdictRow): boolean {
  return row.flapCount > 0 || row.holdUntilMs > 0 || row.ejectedUntilMs > 0;
}
