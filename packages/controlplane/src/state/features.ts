/**
 * The feature level of the cluster. While nodes are upgraded one after the other, two versions apply the same log; a command
 * that only the newer one knows would set their states apart. So every command has a level, and is refused, on every node
 * alike, until the log itself has raised the cluster to it: which happens once all members have announced that they speak
 * it, and is never undone. From then on no node with less is taken in. (LogCabin's versioned state machine, etcd's cluster
 * version.)
 */
import type { CommandType, FeaturesRaise } from './commands.ts';
import { type Context, ok, refuse } from './context.ts';
import { recordAudit } from './journal.ts';
import type { CommandRefused, CommandResult } from './result.ts';
import type { ReadonlyState } from './state.ts';

/** What every version speaks, and where a cluster begins. */
const FIRST_LEVEL = 1;
const ROW = 'cluster';

/** Commands that came with a later level. A new command, or a new meaning of an old one, is entered here. */
const LEVELS: Partial<Record<CommandType, number>> = {
  'pins.put': 2,
  'pins.delete': 2,
  'pins.clear': 2,
  'member.fence': 3,
};

type Known = Pick<ReadonlyState, 'features' | 'members'>;

/** The level to which the log has raised the cluster. Never falls. */
export function clusterLevel(state: Known): number {
  return state.features.get(ROW)?.level ?? FIRST_LEVEL;
}

/** The level that the cluster must have for this command. */
export function commandLevel(type: CommandType): number {
  return LEVELS[type] ?? FIRST_LEVEL;
}

/** Why a command comes before its time; null where it does not. It must leave no trace: an older version cannot keep one. */
export function heldBack(context: Pick<Context, 'state' | 'index'>, type: CommandType): CommandRefused | null {
  const level = clusterLevel(context.state);
  if (commandLevel(type) <= level) return null;
  const message = `${type} needs feature level ${commandLevel(type)}, the cluster has ${level} until every member runs a version that knows it`;
  return refuse(context, 'CONFLICT', message);
}

export function applyRaise(context: Context, { level }: FeaturesRaise): CommandResult {
  const { state } = context;
  if (level <= clusterLevel(state)) return ok(context, false);
  const rows = [...state.members.entries()].map(([, row]) => row);
  const behind = rows.filter((row) => row.featureLevel < level).map((row) => row.id);
  if (rows.length === 0 || behind.length > 0) {
    return refuse(context, 'CONFLICT', `not every member speaks feature level ${level}: ${behind.join(', ')}`);
  }
  state.features.set(ROW, { level, index: context.index });
  recordAudit(context, 'cluster', `feature level ${level}`);
  return ok(context, true);
}

/** The level that the leader may propose: every replica of the group has announced it, and no member is without. */
export function raisableLevel(state: Known, replicas: readonly string[]): number | null {
  const rows = [...state.members.entries()].map(([, row]) => row);
  const announced = new Set(rows.map((row) => row.replica));
  if (rows.length === 0 || !replicas.every((replica) => announced.has(replica))) return null;
  const level = Math.min(...rows.map((row) => row.featureLevel));
  return level > clusterLevel(state) ? level : null;
}
