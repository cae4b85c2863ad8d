/** Commands about nodes: who is there, who is ready, who is alive, who is being emptied. */
import type {
  DrainCancel,
  DrainProgress,
  DrainSet,
  MemberAnnounce,
  MemberLiveness,
  MemberRemove,
  MemberStatus,
} from './commands.ts';
import { type Context, ok, refuse } from './context.ts';
import { fenceText, liftFence } from './fence.ts';
import { clusterLevel } from './features.ts';
import { recordAudit } from './journal.ts';
import { DRAIN_DEADLINE_DEFAULT_MS, MEMBERS_MAX_COUNT } from './limits.ts';
import { dropObservations, forgetObserver, hear, incarnationOf } from './observing.ts';
import { readSettings } from './reads.ts';
import type { CommandResult } from './result.ts';
import type { DrainPhase, DrainRow, MemberRow } from './rows.ts';
import type { ReadonlyState } from './state.ts';
import { reviewAll, reviewVoters } from './voting.ts';

export function applyAnnounce(context: Context, command: MemberAnnounce): CommandResult {
  const { state, timeMs } = context;
  const { id, replica, raft, api, version, featureLevel } = command;
  if (!replica.startsWith(`${id}#`) || replica.length === id.length + 1) {
    return refuse(context, 'BAD_REQUEST', `replica must be "${id}#" and an incarnation, is "${replica}"`);
  }
  const fault = announceFault(state, command);
  if (fault !== null) return refuse(context, 'CONFLICT', fault);
  const before = state.members.get(id);
  const reborn = before !== undefined && before.replica !== replica;
  const row: MemberRow = {
    id,
    replica,
    raft,
    api,
    version,
    featureLevel,
    announcedMs: timeMs,
    ready: before !== undefined && !reborn && before.ready,
    reasons: before === undefined || reborn ? ['starting'] : before.reasons,
    alive: true,
    aliveSinceMs: before?.alive === true && !reborn ? before.aliveSinceMs : timeMs,
  };
  state.members.set(id, row);
  context.changes.members.add(id);
  if (reborn) forgetObserver(context, id);
  if (reborn && liftFence(context, id)) context.changes.drains.add(id);
  hear(context, id, incarnationOf(replica));
  reviewVoters(context);
  // As where it leaves: what it said on its former disk may have held a verdict.
  if (reborn) reviewAll(context);
  if (before === undefined || reborn) recordAudit(context, id, `${replica} is there: raft ${raft}, api ${api}`);
  return ok(context, true, before === undefined);
}

/** Why this node cannot be a member; null where it can. */
export function announceFault(
  state: ReadonlyState,
  { id, featureLevel }: Pick<MemberAnnounce, 'id' | 'featureLevel'>,
): string | null {
  const level = clusterLevel(state);
  if (featureLevel < level) {
    return `${id} speaks feature level ${featureLevel}, the cluster ${level}: install the version that its other members run`;
  }
  if (!state.members.has(id) && state.members.size >= MEMBERS_MAX_COUNT)
    return `there are ${MEMBERS_MAX_COUNT} members, which is the most`;
  return null;
}

export function applyStatus(context: Context, command: MemberStatus): CommandResult {
  const { state } = context;
  const row = state.members.get(command.id);
  if (row === undefined) return refuse(context, 'NOT_FOUND', `there is no member ${command.id}`);
  const { ready, reasons } = command;
  const same = row.ready === ready && JSON.stringify(row.reasons) === JSON.stringify(reasons);
  if (same) return ok(context, false);
  state.members.set(command.id, { ...row, ready, reasons });
  context.changes.members.add(command.id);
  return ok(context, true);
}

export function applyLiveness(context: Context, command: MemberLiveness): CommandResult {
  const { state, timeMs } = context;
  let changed = false;
  for (const { id, alive } of command.items) {
    const row = state.members.get(id);
    if (row === undefined || row.alive === alive) continue;
    state.members.set(id, { ...row, alive, aliveSinceMs: timeMs });
    if (!alive) dropObservations(context, id);
    context.changes.members.add(id);
    changed = true;
  }
  if (changed) reviewVoters(context);
  return ok(context, changed);
}

export function applyRemove(context: Context, command: MemberRemove): CommandResult {
  const { state, changes } = context;
  if (!state.members.delete(command.id)) return refuse(context, 'NOT_FOUND', `there is no member ${command.id}`);
  changes.members.add(command.id);
  if (state.drains.delete(command.id)) changes.drains.add(command.id);
  forgetObserver(context, command.id);
  reviewVoters(context);
  // Its last vote may have been the one that held a verdict: judged again even where the others' right to vote is the same.
  reviewAll(context);
  recordAudit(context, command.id, 'removed');
  return ok(context, true);
}

export function applyDrainSet(context: Context, command: DrainSet): CommandResult {
  const { state, timeMs, changes, author } = context;
  const { id } = command;
  if (!state.members.has(id)) return refuse(context, 'NOT_FOUND', `there is no member ${id}`);
  const before = state.drains.get(id);
  const forced = command.force === true;
  if (before === undefined && !forced) {
    const why = interlock(state, id);
    if (why !== null)
      return refuse(context, 'CONFLICT', `${id} is not drained: ${why}; force=true does it nevertheless`);
  }
  const row: DrainRow = {
    id,
    phase: before?.phase ?? 'withdrawing',
    phaseSinceMs: before?.phaseSinceMs ?? timeMs,
    startedMs: before?.startedMs ?? timeMs,
    propagationMs: command.propagationMs ?? before?.propagationMs ?? readSettings(state).drainPropagationMs,
    deadlineMs: command.deadlineMs ?? before?.deadlineMs ?? DRAIN_DEADLINE_DEFAULT_MS,
    reason: command.reason ?? before?.reason ?? '',
    author: before?.author ?? author,
    forced: forced || before?.forced === true,
    connections: before?.connections ?? null,
    ...(before?.fence === undefined ? {} : { fence: before.fence }),
  };
  state.drains.set(id, row);
  changes.drains.add(id);
  changes.members.add(id);
  reviewVoters(context);
  recordAudit(context, id, `drain within ${row.deadlineMs} ms${row.reason === '' ? '' : `: ${row.reason}`}`);
  return ok(context, true, before === undefined);
}

/** Why draining this node would be dangerous; null where it is not. */
export function interlock(
  state: Pick<ReadonlyState, 'drains'> & { readonly members: Pick<ReadonlyState['members'], 'entries'> },
  id: string,
): string | null {
  const others = [...state.members.entries()].map(([, row]) => row).filter((row) => row.id !== id);
  const remaining = others.filter((row) => row.alive && !state.drains.has(row.id));
  if (!remaining.some((row) => row.ready)) return 'no other node is ready, nobody would take its traffic';
  const busy = others.find((row) => ['withdrawing', 'draining'].includes(state.drains.get(row.id)?.phase ?? ''));
  if (busy !== undefined) return `${busy.id} is being drained, and it is one at a time`;
  const total = others.length + 1;
  if (remaining.length * 2 <= total) {
    return `${remaining.length} of ${total} members would be left, which is no quorum once ${id} stops`;
  }
  return null;
}

const PHASES: readonly DrainPhase[] = ['withdrawing', 'draining', 'drained'];

export function applyDrainPhase(context: Context, command: DrainProgress): CommandResult {
  const { state, timeMs, changes } = context;
  const row = state.drains.get(command.id);
  if (row === undefined) return refuse(context, 'CONFLICT', `${command.id} is not being drained`);
  if (PHASES.indexOf(command.phase) < PHASES.indexOf(row.phase)) {
    return refuse(context, 'CONFLICT', `${command.id} is ${row.phase} already; phases only go forward`);
  }
  const phaseSinceMs = command.phase === row.phase ? row.phaseSinceMs : timeMs;
  const connections = command.connections ?? row.connections;
  if (command.phase === row.phase && connections === row.connections) return ok(context, false);
  state.drains.set(command.id, { ...row, phase: command.phase, phaseSinceMs, connections });
  changes.drains.add(command.id);
  return ok(context, true);
}

export function applyDrainCancel(context: Context, command: DrainCancel): CommandResult {
  const { state, changes } = context;
  const row = state.drains.get(command.id);
  if (row === undefined) return refuse(context, 'NOT_FOUND', `${command.id} is not being drained`);
  if (row.fence !== undefined) return refuse(context, 'CONFLICT', fenceText(row.fence));
  state.drains.delete(command.id);
  changes.drains.add(command.id);
  changes.members.add(command.id);
  reviewVoters(context);
  recordAudit(context, command.id, 'drain undone');
  return ok(context, true);
}
