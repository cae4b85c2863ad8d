/**
 * Whose observations count, and what follows for all verdicts when that changes.
 *
 * An observer has a vote while it is a member, alive, not draining, not silent and not isolated. Isolated is who alone sees
 * most backends down while others see them up, for longer than their probes can lag behind its own.
 */
import type { Context } from './context.ts';
import { ISOLATION_DELAY_MAX_MS, ISOLATION_DELAY_MIN_MS, ISOLATION_MIN_COUNT, ISOLATION_SLACK_MS } from './limits.ts';
import type { ObservationsRow } from './rows.ts';
import type { State } from './state.ts';
import { isTimed, judge, tally } from './verdict-rule.ts';

/** Judges one backend anew. */
export function reviewBackend(context: Context, key: string): void {
  const { state, timeMs, changes } = context;
  const backend = state.backends.get(key);
  const previous = state.verdicts.get(key);
  const pool = backend === undefined ? undefined : state.pools.get(backend.pool);
  if (backend === undefined || previous === undefined || pool === undefined) return;
  const votes = tally(state.observations.get(key) ?? [], state.derived.voters);
  const next = judge(previous, pool.health, votes, timeMs);
  if (next === previous) return;
  state.verdicts.set(key, next);
  if (isTimed(next)) state.derived.timed.add(key);
  else state.derived.timed.delete(key);
  if (next.verdict !== previous.verdict) {
    const { reason, verdict: to } = next;
    changes.verdict(key, { pool: backend.pool, id: backend.config.id, from: previous.verdict, to, reason });
  }
}

export function reviewAll(context: Context): void {
  for (const key of context.state.verdicts.sortedKeys()) reviewBackend(context, key);
}

/** Finds out anew who may vote; where that changed, everything that hangs on it. Call after any change to members, drains or observers. */
export function reviewVoters(context: Context): void {
  const { derived } = context.state;
  const before = derived.voters;
  const participantsBefore = derived.participants;
  refreshVoters(context.state);
  const same = sameSet(before, derived.voters) && sameSet(participantsBefore, derived.participants);
  if (same) return;
  recount(context.state);
  reviewSuspects(context);
  reviewAll(context);
}

/** Sets who may vote and who takes part, from the tables alone. */
export function refreshVoters(state: State): void {
  const voters = new Set<string>();
  const participants = new Set<string>();
  for (const id of state.members.sortedKeys()) {
    const observer = state.observers.get(id);
    if (state.members.get(id)?.alive !== true || state.drains.has(id) || observer?.fresh !== true) continue;
    participants.add(id);
    if (!observer.isolated) voters.add(id);
  }
  state.derived.voters = voters;
  state.derived.participants = participants;
}

function sameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((item) => b.has(item));
}

/** Adds (1) or takes away (-1) what one backend's observations say about the observers. */
export function countRow(state: State, row: ObservationsRow, sign: 1 | -1): void {
  const { derived } = state;
  let up = 0;
  let down = 0;
  for (const { node, ok } of row) {
    if (!derived.participants.has(node)) continue;
    add(derived.observed, node, sign);
    if (!derived.voters.has(node)) continue;
    if (ok) up++;
    else down++;
  }
  if (up === 0) return;
  for (const { node, ok } of row) {
    if (ok || !derived.participants.has(node)) continue;
    const others = derived.voters.has(node) ? down - 1 : down;
    if (others === 0) add(derived.disputed, node, sign);
  }
}

function add(map: Map<string, number>, node: string, by: number): void {
  map.set(node, (map.get(node) ?? 0) + by);
}

/** Counts from nothing: who takes part has changed. */
export function recount(state: State): void {
  state.derived.disputed.clear();
  state.derived.observed.clear();
  for (const [, row] of state.observations.entries()) countRow(state, row, 1);
}

/** Marks who has become suspect, and takes suspicion and isolation from those who agree with the others again. */
export function reviewSuspects(context: Context): void {
  const { state, timeMs, changes } = context;
  let returned = false;
  for (const node of state.observers.sortedKeys()) {
    const row = state.observers.get(node);
    if (row === undefined) continue;
    const suspect = isAlone(state, node);
    if (suspect === row.suspectSinceMs > 0) continue;
    state.observers.set(node, { ...row, suspectSinceMs: suspect ? timeMs : 0, isolated: false });
    if (row.isolated) {
      changes.isolated.add(node);
      returned = true;
    }
  }
  if (!returned) return;
  refreshVoters(state);
  recount(state);
  reviewAll(context);
}

function isAlone(state: State, node: string): boolean {
  const { derived } = state;
  if (!derived.participants.has(node)) return false;
  const disputed = derived.disputed.get(node) ?? 0;
  return disputed >= ISOLATION_MIN_COUNT && disputed * 2 >= (derived.observed.get(node) ?? 0);
}

/** Declares those isolated whose suspicion has lasted. True where anybody was. */
export function isolateSuspects(context: Context): boolean {
  const { state, timeMs, changes } = context;
  let isolated = false;
  for (const node of state.observers.sortedKeys()) {
    const row = state.observers.get(node);
    if (row === undefined || row.isolated || row.suspectSinceMs === 0) continue;
    if (timeMs - row.suspectSinceMs < isolationDelayMs(state)) continue;
    state.observers.set(node, { ...row, isolated: true });
    changes.isolated.add(node);
    isolated = true;
  }
  return isolated;
}

/** How long the slowest probes of others may take to notice what this observer noticed first. */
function isolationDelayMs(state: State): number {
  let longest = 0;
  for (const [, pool] of state.pools.entries()) {
    if (pool.health.protocol === 'none') continue;
    longest = Math.max(longest, pool.health.intervalMs + pool.health.timeoutMs);
  }
  return Math.min(Math.max(longest + ISOLATION_SLACK_MS, ISOLATION_DELAY_MIN_MS), ISOLATION_DELAY_MAX_MS);
}
