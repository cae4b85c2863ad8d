/**
 * What must hold of every state, whatever led to it. Checked after every step in property tests and by a simulator; too
 * slow for production, where the digest does the watching.
 */
import { validateConfig } from '@flotilla/shared/schema';
import { emptyDerived } from './derived.ts';
import { readConfig } from './reads.ts';
import { rebuildDerived } from './rebuild.ts';
import { backendKey, type ReadonlyState, type State, stateDigest, TABLE_NAMES, type TableName } from './state.ts';
import { byCodeUnit, Table } from './table.ts';

/** Everything that is wrong with a state; empty where nothing is. */
export function checkState(readonly: ReadonlyState): string[] {
  // Inside this folder a state that is handed out for reading is still the whole state.
  const state = readonly as State;
  const faults: string[] = [];
  if (recomputeDigest(state) !== stateDigest(state)) faults.push('the digest is not that of the rows');
  const { lo, hi } = state.pins.recomputed();
  if (lo !== state.pins.lo || hi !== state.pins.hi) faults.push('the digest of the pins is not theirs');
  const validated = validateConfig(readConfig(state));
  if (!validated.ok) faults.push(`the configuration is not valid: ${JSON.stringify(validated.faults)}`);
  else if (JSON.stringify(validated.config) !== JSON.stringify(readConfig(state))) faults.push('it is not normalised');
  checkBackends(state, faults);
  checkNodes(state, faults);
  checkDerived(state, faults);
  return faults;
}

/** The digest from the rows alone, as a restored state would have it. */
function recomputeDigest(state: State): string {
  return stateDigest(copyState(state));
}

function copyState(state: State): State {
  const tables = Object.fromEntries(TABLE_NAMES.map((name) => [name, copyTable(state, name)]));
  return { ...state, ...tables };
}

function copyTable(state: State, name: TableName): Table<unknown> {
  const table = new Table<unknown>(name);
  for (const [key, value] of state[name].entries()) table.set(key, value);
  return table;
}

function checkBackends(state: State, faults: string[]): void {
  const listed = new Set<string>();
  for (const [name, pool] of state.pools.entries()) for (const id of pool.backends) listed.add(backendKey(name, id));
  const slots = new Set<number>();
  for (const [key, row] of state.backends.entries()) {
    if (!listed.has(key)) faults.push(`backend ${key} is in no pool`);
    if (!state.verdicts.has(key)) faults.push(`backend ${key} has no verdict`);
    if (slots.has(row.slot)) faults.push(`slot ${row.slot} is taken twice`);
    if (state.restingSlots.has(String(row.slot))) faults.push(`slot ${row.slot} is taken while it rests`);
    slots.add(row.slot);
  }
  if (listed.size !== state.backends.size) faults.push('a pool lists a backend that is not there');
  for (const table of [state.verdicts, state.observations]) {
    for (const key of table.keys())
      if (!state.backends.has(key)) faults.push(`${table.name}: there is no backend ${key}`);
  }
}

function checkNodes(state: State, faults: string[]): void {
  for (const table of [state.observers, state.drains]) {
    for (const id of table.keys()) if (!state.members.has(id)) faults.push(`${table.name}: there is no member ${id}`);
  }
  for (const [key, row] of state.observations.entries()) {
    const nodes = row.map((one) => one.node);
    if ([...nodes].sort(byCodeUnit).join() !== nodes.join()) faults.push(`observations of ${key} are not in order`);
    for (const node of nodes) if (!state.members.has(node)) faults.push(`${key} is observed by a stranger, ${node}`);
  }
}

/** What is kept beside the tables is what would be made of them anew. */
function checkDerived(state: State, faults: string[]): void {
  const again: State = { ...copyState(state), derived: emptyDerived() };
  rebuildDerived(again);
  const picture = ({ derived }: State) =>
    JSON.stringify({
      slots: derived.usedSlots.reduce((sum, used) => sum + used, 0),
      owners: derived.slotOwners.flatMap((owner, slot) => (owner === undefined ? [] : `${slot} ${owner.key}`)),
      voters: [...derived.voters],
      participants: [...derived.participants],
      disputed: counts(derived.disputed),
      observed: counts(derived.observed),
      timed: [...derived.timed].sort(byCodeUnit),
    });
  if (picture(again) !== picture(state)) faults.push(`derived: ${picture(state)}, anew: ${picture(again)}`);
}

function counts(map: ReadonlyMap<string, number>): string[] {
  const rows = [...map].filter(([, count]) => count !== 0).map(([node, count]) => `${node} ${count}`);
  return rows.sort(byCodeUnit);
}
