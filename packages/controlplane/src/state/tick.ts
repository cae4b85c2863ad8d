/** What the passing of log time changes: silent observers, lasting suspicion, hold-downs and ejections that end, old answers, old pins. */
import { type Context, ok } from './context.ts';
import { OBSERVER_FRESH_MS, OUTCOME_TTL_MS, TICK_GAP_MS } from './limits.ts';
import type { CommandResult } from './result.ts';
import { dropObservations } from './observing.ts';
import { sweepPins } from './pinning.ts';
import { byCodeUnit } from './table.ts';
import { isolateSuspects, reviewBackend, reviewVoters } from './voting.ts';

export function applyTick(context: Context): CommandResult {
  const { state, timeMs } = context;
  reviewSilence(context, timeMs - state.meta.tickMs > TICK_GAP_MS);
  state.meta.tickMs = timeMs;
  isolateSuspects(context);
  reviewVoters(context);
  for (const key of [...state.derived.timed].sort(byCodeUnit)) reviewBackend(context, key);
  expireOutcomes(context);
  sweepPins(context);
  return ok(context, false);
}

function reviewSilence(context: Context, afterGap: boolean): void {
  const { state, timeMs } = context;
  for (const node of state.observers.sortedKeys()) {
    const row = state.observers.get(node);
    if (row?.fresh !== true) continue;
    if (afterGap) {
      state.observers.set(node, { ...row, heardMs: timeMs });
    } else if (timeMs - row.heardMs > OBSERVER_FRESH_MS) {
      state.observers.set(node, { ...row, fresh: false });
      dropObservations(context, node);
    }
  }
}

function expireOutcomes({ state, timeMs }: Context): void {
  for (;;) {
    const key = state.outcomes.oldestKey();
    if (key === undefined || timeMs - (state.outcomes.get(key)?.timeMs ?? 0) <= OUTCOME_TTL_MS) return;
    state.outcomes.deleteOldest();
  }
}
