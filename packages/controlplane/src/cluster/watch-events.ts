/**
 * Changes of the replicated state as events for watchers, the same on every node.
 */
import type { WatchHub } from '../api/watch-hub.ts';
import type { Changes, ReadonlyState } from '../state/index.ts';
import { drainView } from './views.ts';

export function announceChanges(watch: WatchHub, state: ReadonlyState, index: number, changes: Changes): void {
  if (changes.revision) {
    const row = state.history.get(String(state.meta.revision));
    const { revision } = state.meta;
    const { author = '', summary = '', action = '' } = row ?? {};
    watch.publish({ index, type: 'config', data: { revision, author, action, summary } });
  }
  for (const { pool, id, from, to, reason } of changes.verdicts)
    watch.publish({ index, type: 'verdict', data: { pool, backend: id, from, verdict: to, reason } });
  for (const id of changes.members) {
    const row = state.members.get(id);
    const data =
      row === undefined ? { id, removed: true } : { id, alive: row.alive, ready: row.ready, reasons: row.reasons };
    watch.publish({ index, type: 'member', data });
  }
  for (const session of changes.unpinned)
    watch.publish({ index, type: 'session', data: { ...session, backend: null } });
  for (const id of changes.drains) {
    const row = state.drains.get(id);
    watch.publish({ index, type: 'drain', data: row === undefined ? { id, phase: null } : drainView(row) });
  }
}
