/** Commands about health: what probes found, and ejections that nodes propose after failing traffic. */
import type { Observe, ObservationInput, OutlierPropose } from './commands.ts';
import { type Context, ok, refuse } from './context.ts';
import { EJECTION_FORGET_MS, EJECTION_MAX_MS } from './limits.ts';
import { noVoteReason } from './reads.ts';
import type { CommandResult } from './result.ts';
import type { Observation, ObservationsRow, ObserverRow, VerdictRow } from './rows.ts';
import { backendKey, type State } from './state.ts';
import { byCodeUnit } from './table.ts';
import { countRow, reviewBackend, reviewSuspects, reviewVoters } from './voting.ts';

export function applyObserve(context: Context, command: Observe): CommandResult {
  const { state } = context;
  const member = state.members.get(command.node);
  if (member === undefined) return refuse(context, 'NOT_FOUND', `${command.node} has not announced itself`);
  if (incarnationOf(member.replica) !== command.incarnation) {
    const message = `${command.node} is now ${member.replica}: reports of ${command.incarnation} no longer count`;
    return refuse(context, 'CONFLICT', message);
  }
  hear(context, command.node, command.incarnation);
  let edges = 0;
  for (const input of command.observations) edges += takeObservation(context, command.node, input) ? 1 : 0;
  if (edges > 0) reviewSuspects(context);
  return ok(context, edges > 0);
}

/** The part of a replica id after `#`. */
export function incarnationOf(replica: string): string {
  return replica.slice(replica.indexOf('#') + 1);
}

/** Notes a sign of life of an observer; one that had been silent gets its vote back. */
export function hear(context: Context, node: string, incarnation: string): void {
  const { state, timeMs } = context;
  const row = state.observers.get(node);
  const next: ObserverRow =
    row === undefined
      ? { incarnation, heardMs: timeMs, fresh: true, suspectSinceMs: 0, isolated: false }
      : { ...row, incarnation, heardMs: timeMs, fresh: true };
  state.observers.set(node, next);
  if (row?.fresh !== true) reviewVoters(context);
}

/** True where the node now says something else than before. Reports on backends that are gone are passed over. */
function takeObservation(context: Context, node: string, input: ObservationInput): boolean {
  const { state, timeMs } = context;
  const key = backendKey(input.pool, input.backend);
  if (!state.backends.has(key)) return false;
  const row = state.observations.get(key) ?? [];
  const before = row.find((one) => one.node === node);
  const edge = before?.ok !== input.ok;
  const { ok: isUp, latencyMs, detail, atMs } = input;
  const sinceMs = edge || before === undefined ? timeMs : before.sinceMs;
  const observation: Observation = { node, ok: isUp, latencyMs, detail, atMs, sinceMs };
  const next = [...row.filter((one) => one.node !== node), observation].sort((a, b) => byCodeUnit(a.node, b.node));
  replaceRow(state, key, row, next);
  if (edge) reviewBackend(context, key);
  return edge;
}

function replaceRow(state: State, key: string, before: ObservationsRow, after: ObservationsRow): void {
  countRow(state, before, -1);
  if (after.length === 0) state.observations.delete(key);
  else state.observations.set(key, after);
  countRow(state, after, 1);
}

/**
 * What a node said expires when it dies or falls silent: it may come back with nothing of it true any more. It is told, so
 * that one that was only cut off says everything again.
 */
export function dropObservations(context: Context, node: string): void {
  const { state, changes } = context;
  for (const key of state.observations.sortedKeys()) {
    const row = state.observations.get(key) ?? [];
    const rest = row.filter((one) => one.node !== node);
    if (rest.length < row.length) replaceRow(state, key, row, rest);
  }
  changes.forgotten.add(node);
}

/** The observer itself is gone, or is another one now. */
export function forgetObserver(context: Context, node: string): void {
  const { state } = context;
  dropObservations(context, node);
  state.observers.delete(node);
  state.derived.disputed.delete(node);
  state.derived.observed.delete(node);
}

/** Nobody's observations of this backend hold any longer: it is gone, or is somewhere else now. */
export function forgetBackend(state: State, key: string): void {
  replaceRow(state, key, state.observations.get(key) ?? [], []);
}

export function applyOutlier(context: Context, command: OutlierPropose): CommandResult {
  const { state, timeMs } = context;
  const key = backendKey(command.pool, command.backend);
  const pool = state.pools.get(command.pool);
  const verdict = state.verdicts.get(key);
  if (pool === undefined || verdict === undefined) return refuse(context, 'NOT_FOUND', `there is no backend ${key}`);
  if (pool.outlier === null) return refuse(context, 'CONFLICT', `pool ${pool.name} ejects no outliers`);
  const why = noVoteReason(state, command.node);
  if (why !== '') return refuse(context, 'CONFLICT', `${command.node} has no vote: ${why}`);
  if (verdict.verdict !== 'up') return ok(context, false);
  const cap = ejectionCap(pool.backends.length, pool.outlier.maxEjectedRatio);
  const ejected = countBackends(state, command.pool, (row) => row.verdict === 'ejected');
  if (ejected >= cap) {
    return refuse(context, 'CONFLICT', `${ejected} of pool ${pool.name} are ejected already; its cap is ${cap}`);
  }
  const others = countBackends(state, command.pool, (row, serving) => serving && row.verdict === 'up');
  const self = isServing(state, key) ? 1 : 0;
  if (others - self < 1) return refuse(context, 'CONFLICT', `${key} is the last that serves in its pool`);
  const again = verdict.lastEjectedMs > 0 && timeMs - verdict.lastEjectedMs <= EJECTION_FORGET_MS;
  const ejectionCount = again ? verdict.ejectionCount + 1 : 1;
  const forMs = Math.min(pool.outlier.baseEjectionMs * ejectionCount, EJECTION_MAX_MS);
  const next: VerdictRow = {
    ...verdict,
    ejectionCount,
    ejectedBy: command.node,
    lastEjectedMs: timeMs,
    ejectedUntilMs: timeMs + forMs,
  };
  state.verdicts.set(key, next);
  reviewBackend(context, key);
  return ok(context, true);
}

/** A share of the pool, but at least one where any share is allowed: a third of three is one, not none. */
function ejectionCap(backends: number, ratio: number): number {
  return ratio === 0 ? 0 : Math.max(1, Math.floor(backends * ratio));
}

function isServing(state: State, key: string): boolean {
  const backend = state.backends.get(key);
  return backend !== undefined && backend.config.state === 'enabled' && backend.config.weight > 0;
}

function countBackends(state: State, pool: string, holds: (row: VerdictRow, serving: boolean) => boolean): number {
  let count = 0;
  for (const id of state.pools.get(pool)?.backends ?? []) {
    const key = backendKey(pool, id);
    const row = state.verdicts.get(key);
    if (row !== undefined && holds(row, isServing(state, key))) count++;
  }
  return count;
}
