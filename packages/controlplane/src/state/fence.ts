/**
 * A replica whose state differs from that of the majority at the same index is fenced: a drain that nobody can undo, because
 * what it would serve and answer cannot be believed. Its log is right (Raft sees to that), so it goes on voting; its disk may
 * not be, so only another one ends the fence.
 */
import type { MemberFence } from './commands.ts';
import { type Context, ok, refuse } from './context.ts';
import { recordAudit } from './journal.ts';
import { DRAIN_DEADLINE_DEFAULT_MS } from './limits.ts';
import { readSettings } from './reads.ts';
import type { CommandResult } from './result.ts';
import type { DrainRow, FenceRow } from './rows.ts';
import type { ReadonlyState } from './state.ts';
import { reviewVoters } from './voting.ts';

export function applyFence(context: Context, command: MemberFence): CommandResult {
  const { state, timeMs, changes, author } = context;
  const { id, replica, index, digest, itsDigest } = command;
  if (state.members.get(id)?.replica !== replica) return refuse(context, 'CONFLICT', `${id} is not ${replica}`);
  const before = state.drains.get(id);
  if (before?.fence !== undefined) return ok(context, false);
  const others = [...state.members.entries()].map(([, row]) => row).filter((row) => row.id !== id);
  if (!others.some((row) => row.ready && row.alive && !state.drains.has(row.id)))
    return refuse(context, 'CONFLICT', `${id} is not fenced: no other node is ready, nobody would take its traffic`);
  const row: DrainRow = {
    phase: 'withdrawing',
    phaseSinceMs: timeMs,
    startedMs: timeMs,
    propagationMs: readSettings(state).drainPropagationMs,
    deadlineMs: DRAIN_DEADLINE_DEFAULT_MS,
    author,
    connections: null,
    ...before,
    id,
    reason: 'fenced: its state differs from that of the other nodes',
    forced: true,
    fence: { replica, index, digest, itsDigest },
  };
  state.drains.set(id, row);
  changes.drains.add(id);
  changes.members.add(id);
  reviewVoters(context);
  recordAudit(context, id, `fenced: its digest at index ${index} is ${itsDigest}, not ${digest}`);
  return ok(context, true);
}

/** The node has another disk now. True where it had been fenced. */
export function liftFence({ state }: Context, id: string): boolean {
  return state.drains.get(id)?.fence !== undefined && state.drains.delete(id);
}

/** The fence of a node, or null. */
export function readFence(state: Pick<ReadonlyState, 'drains'>, id: string): FenceRow | null {
  return state.drains.get(id)?.fence ?? null;
}

/** What happened, and what to do about it. */
export function fenceText({ replica, index }: FenceRow): string {
  const id = replica.slice(0, replica.indexOf('#'));
  return (
    `quarantined: the state of ${id} differs from that of the other nodes since index ${index} at the latest. ` +
    `Stop it, move its data directory away, remove it (flotilla members remove ${id}) and let it join again (FLOTILLA_JOIN)`
  );
}
