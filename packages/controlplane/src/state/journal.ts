/** The two bounded lists that remember changes: history of the configuration, with what undoes it, and the audit trail. */
import type { Context } from './context.ts';
import type { RowHash } from './hash.ts';
import { AUDIT_MAX_COUNT, HISTORY_MAX_BYTES, HISTORY_MAX_COUNT } from './limits.ts';
import type { AuditRow, HistoryRow, UndoRow } from './rows.ts';

/** Gives the configuration its new revision. Called once by each command that changes it, after the rows are written. */
export function recordRevision(context: Context, target: string, summary: string, undo: UndoRow): void {
  const { state, index, timeMs, author, source, action } = context;
  const previousRevision = state.meta.revision;
  state.meta.revision = index;
  context.changes.revision = true;
  const row = { revision: index, previousRevision, timeMs, author, source, action, summary, undo };
  state.history.set(String(index), row, writeHistoryRow);
  while (state.history.size > HISTORY_MAX_COUNT || state.history.bytes > HISTORY_MAX_BYTES)
    state.history.deleteOldest();
  recordAudit(context, target, summary);
}

export function recordAudit(context: Context, target: string, summary: string): void {
  const { state, index, timeMs, author, source, action } = context;
  const { revision } = state.meta;
  const row = { index, timeMs, author, source, action, target, summary, revision };
  state.audit.set(String(index), row, writeAuditRow);
  while (state.audit.size > AUDIT_MAX_COUNT) state.audit.deleteOldest();
}

/** The fields in the order of `recordRevision`. */
function writeHistoryRow(hash: RowHash, row: HistoryRow): void {
  hash.raw('{"revision":');
  hash.number(row.revision);
  hash.raw(',"previousRevision":');
  hash.number(row.previousRevision);
  hash.raw(',"timeMs":');
  hash.number(row.timeMs);
  writeAuthorship(hash, row);
  hash.raw(',"summary":');
  hash.text(row.summary);
  hash.raw(',"undo":');
  hash.raw(JSON.stringify(row.undo));
  hash.raw('}');
}

/** The fields in the order of `recordAudit`. */
function writeAuditRow(hash: RowHash, row: AuditRow): void {
  hash.raw('{"index":');
  hash.number(row.index);
  hash.raw(',"timeMs":');
  hash.number(row.timeMs);
  writeAuthorship(hash, row);
  hash.raw(',"target":');
  hash.text(row.target);
  hash.raw(',"summary":');
  hash.text(row.summary);
  hash.raw(',"revision":');
  hash.number(row.revision);
  hash.raw('}');
}

function writeAuthorship(hash: RowHash, row: HistoryRow | AuditRow): void {
  hash.raw(',"author":');
  hash.text(row.author);
  hash.raw(',"source":');
  hash.text(row.source);
  hash.raw(',"action":');
  hash.text(row.action);
}
