/**
 * Applies one log entry to the state: total and deterministic. Whatever the bytes, it answers a result, and a refused command
 * changes nothing but the index and the time that every entry brings.
 */
import type { Entry } from '@flotilla/raft';
import type { ChangeSet } from './change-set.ts';
import { decodeCommand } from './codec.ts';
import type { ClusterInit, Command } from './commands.ts';
import { applyConfigCommand } from './config-commands.ts';
import { type Context, ok, refuse } from './context.ts';
import {
  applyAnnounce,
  applyDrainCancel,
  applyDrainPhase,
  applyDrainSet,
  applyLiveness,
  applyRemove,
  applyStatus,
} from './members.ts';
import { applyFence } from './fence.ts';
import { applyObserve, applyOutlier } from './observing.ts';
import { applyPinsClear, applyPinsDelete, applyPinsPut } from './pinning.ts';
import { applyRaise, heldBack } from './features.ts';
import { findOutcome, keepOutcome } from './outcomes.ts';
import type { CommandResult } from './result.ts';
import type { State } from './state.ts';
import { applyTick } from './tick.ts';

/** Every entry moves the index and the time, also those that carry no command. */
export function advance(state: State, entry: Pick<Entry, 'index' | 'stampMs'>): void {
  state.meta.index = entry.index;
  if (entry.stampMs > state.meta.logTimeMs) state.meta.logTimeMs = entry.stampMs;
}

/** The command in an entry of kind `normal`, after `advance`. */
export function applyCommandBytes(state: State, data: Uint8Array, changes: ChangeSet): CommandResult {
  const decoded = decodeCommand(data);
  const { index } = state.meta;
  if (!decoded.ok) return refuse({ state, index }, 'BAD_REQUEST', decoded.message, decoded.details);
  return heldBack({ state, index }, decoded.command.type) ?? applyCommand(state, decoded.command, changes);
}

function applyCommand(state: State, command: Command, changes: ChangeSet): CommandResult {
  const { index, logTimeMs: timeMs } = state.meta;
  const { author = '', source = '', type: action } = command;
  const context: Context = { state, index, timeMs, changes, author, source, action };
  if (command.key === undefined) return dispatch(context, command);
  const earlier = findOutcome(context, command.key, command);
  if (earlier !== null) return earlier;
  const result = dispatch(context, command);
  keepOutcome(context, command.key, command, result);
  return result;
}

function dispatch(context: Context, command: Command): CommandResult {
  switch (command.type) {
    case 'config.replace':
    case 'config.rollback':
    case 'resource.put':
    case 'resource.patch':
    case 'resource.delete':
    case 'backend.set':
      return applyConfigCommand(context, command);
    case 'observe':
      return applyObserve(context, command);
    case 'outlier.propose':
      return applyOutlier(context, command);
    case 'member.announce':
      return applyAnnounce(context, command);
    case 'member.status':
      return applyStatus(context, command);
    case 'member.liveness':
      return applyLiveness(context, command);
    case 'member.remove':
      return applyRemove(context, command);
    case 'member.fence':
      return applyFence(context, command);
    case 'drain.set':
      return applyDrainSet(context, command);
    case 'drain.phase':
      return applyDrainPhase(context, command);
    case 'drain.cancel':
      return applyDrainCancel(context, command);
    case 'cluster.init':
      return applyClusterInit(context, command);
    case 'pins.put':
      return applyPinsPut(context, command);
    case 'pins.delete':
      return applyPinsDelete(context, command);
    case 'pins.clear':
      return applyPinsClear(context, command);
    case 'tick':
      return applyTick(context);
    case 'features.raise':
      return applyRaise(context, command);
  }
}

function applyClusterInit(context: Context, command: ClusterInit): CommandResult {
  const { meta } = context.state;
  if (meta.affinityKey !== '') return ok(context, false);
  meta.affinityKey = command.affinityKey;
  context.changes.config = true;
  return ok(context, true);
}
