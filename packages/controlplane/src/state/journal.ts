/** The two bounded lists that remember changes: history of the configuration, with what undoes it, and the audit trail. */
import type { Context } from './context.ts';
import { AUDIT_MAX_COUNT, HISTORY_MAX_BYTES, HISTORY_MAX_COUNT } from './limits.ts';
import type { UndoRow } from './rows.ts';

/** Gives the configuration its new revision. Called once by each command that changes it, after the rows are written. */
export function recordRevision(context: Context, target: string, summary: string, undo: UndoRow): void {
  const { state, index, timeMs, author, source, action } = context;
  const previousRevision = state.meta.revision;
  state.meta.revision = index;
  context.changes.revision = true;
  state.history.set(String(index), {
    revision: index,
    previousRevision,
    timeMs,
    author,
    source,
    action,
    summary,
    undo,
  });
  while (state.history.size > HISTORY_MAX_COUNT || state.history.bytes > HISTORY_MAX_BYTES)
    state.history.deleteOldest();
  recordAudit(context, target, summary);
}

export function recordAudit(context: Context, target: string, summary: string): void {
  const { state, index, timeMs, author, source, action } = context;
  const { revision } = state.meta;
  state.audit.set(String(index), { index, timeMs, author, source, action, target, summary, revision });
  while (state.audit.size > AUDIT_MAX_COUNT) state.audit.deleteOldest();
}
