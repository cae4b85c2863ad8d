/** Makes what is derived anew from the tables, after a restore. */
import { emptyDerived, slotOwner } from './derived.ts';
import type { State } from './state.ts';
import { isTimed } from './verdict-rule.ts';
import { recount, refreshVoters } from './voting.ts';

export function rebuildDerived(state: State): void {
  const fresh = emptyDerived();
  state.derived.usedSlots = fresh.usedSlots;
  state.derived.slotOwners = fresh.slotOwners;
  for (const [, row] of state.backends.entries()) {
    fresh.usedSlots[row.slot] = 1;
    fresh.slotOwners[row.slot] = slotOwner(row.pool, row.config.id);
  }
  for (const [, row] of state.restingSlots.entries()) fresh.usedSlots[row.slot] = 1;
  state.derived.timed.clear();
  for (const [key, row] of state.verdicts.entries()) if (isTimed(row)) state.derived.timed.add(key);
  refreshVoters(state);
  recount(state);
}
