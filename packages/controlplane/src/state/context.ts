/** What a command's handler works with: the state, the log's index and time, who asked, and where changes are noted. */
import type { ErrorCode, FaultDetail } from '@flotilla/shared';
import type { ChangeSet } from './change-set.ts';
import type { CommandOk, CommandRefused } from './result.ts';
import type { State } from './state.ts';

export interface Context {
  readonly state: State;
  readonly index: number;
  /** Log time. */
  readonly timeMs: number;
  readonly changes: ChangeSet;
  readonly author: string;
  readonly source: string;
  readonly action: string;
}

export function ok(context: Context, changed: boolean, created?: boolean): CommandOk {
  const { index, state } = context;
  const result = { ok: true, index, revision: state.meta.revision, changed } as const;
  return created === undefined ? result : { ...result, created };
}

export function refuse(
  context: Pick<Context, 'index' | 'state'>,
  code: ErrorCode,
  message: string,
  details: readonly FaultDetail[] = [],
): CommandRefused {
  return { ok: false, index: context.index, revision: context.state.meta.revision, code, message, details };
}
