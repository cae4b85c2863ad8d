/** The two bounded lists that remember changes: history of the configuration, with what undoes it, and the audit trail. */
import { Change, type Story } from './change.ts';
import type { Context } from './context.ts';
import { AUDIT_MAX_COUNT, HISTORY_MAX_BYTES, HISTORY_MAX_COUNT } from './limits.ts';
import type { State } from './state.ts';

/** Gives the configuration its new revision. Called once by each command that changes it, after the rows are written. */
export function recordRevision(context: Context, story: Story): void {
  const { state, index } = context;
  const { history, meta } = state;
  const previousRevision = meta.revision;
  meta.revision = index;
  context.changes.revision = true;
  const change = new Change(context, [previousRevision, index], story);
  history.append(change, change.historyMaxBytes);
  while (history.size > HISTORY_MAX_COUNT || history.exceeds(HISTORY_MAX_BYTES)) history.deleteOldest();
  addAudit(state, change);
}

export function recordAudit(context: Context, target: string, summary: string): void {
  const { revision } = context.state.meta;
  addAudit(context.state, new Change(context, [revision, revision], { target, summary }));
}

function addAudit({ audit }: State, change: Change): void {
  // Nobody bounds their bytes.
  audit.append(change, 0);
  while (audit.size > AUDIT_MAX_COUNT) audit.deleteOldest();
}
