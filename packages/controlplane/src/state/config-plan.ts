/**
 * A change of the configuration as rows: what is to be written, and, once written, what undoes it.
 *
 * Making a plan reads only and may refuse; committing one cannot fail. That is what keeps a refused command from changing anything.
 */
import { BACKEND_SLOTS_MAX, type BackendConfig, type Config, type SettingsConfig } from '@flotilla/shared';
import type { Context } from './context.ts';
import { type SlotOwner, slotOwner } from './derived.ts';
import { recordRevision } from './journal.ts';
import { forgetBackend } from './observing.ts';
import { releaseAllSlots, restSlot } from './pinning.ts';
import { DEFAULT_SETTINGS } from './reads.ts';
import type { BackendRow, PoolRow, UndoRow } from './rows.ts';
import { backendKey, type ReadonlyState, type State } from './state.ts';
import { UNKNOWN_VERDICT } from './verdict-rule.ts';
import { reviewBackend } from './voting.ts';

/** New rows by key, null for "gone". The same shape as what undoes it. */
export interface ConfigPlan {
  readonly listeners: Record<string, NonNullable<UndoRow['listeners']>[string]>;
  readonly pools: Record<string, PoolRow | null>;
  readonly backends: Record<string, BackendConfig | null>;
  readonly certificates: Record<string, NonNullable<UndoRow['certificates']>[string]>;
  settings: SettingsConfig | null;
  readonly order: Record<string, readonly string[]>;
}

export function emptyPlan(): ConfigPlan {
  return { listeners: {}, pools: {}, backends: {}, certificates: {}, settings: null, order: {} };
}

export function isEmptyPlan(plan: ConfigPlan): boolean {
  const { listeners, pools, backends, certificates, settings, order } = plan;
  if (settings !== null || !isEmpty(listeners) || !isEmpty(pools)) return false;
  return isEmpty(backends) && isEmpty(certificates) && isEmpty(order);
}

function isEmpty(part: object): boolean {
  for (const key in part) if (Object.hasOwn(part, key)) return false;
  return true;
}

function poolRow(pool: Config['pools'][number]): PoolRow {
  return { ...pool, backends: pool.backends.map((backend) => backend.id) };
}

/** What turns the present document into `target`. */
export function planDocument(state: ReadonlyState, target: Config): ConfigPlan {
  const plan = emptyPlan();
  const names = (items: readonly { readonly name: string }[]) => items.map((item) => item.name);
  compare(state.listeners, new Map(target.listeners.map((one) => [one.name, one])), plan.listeners);
  compare(state.certificates, new Map(target.certificates.map((one) => [one.name, one])), plan.certificates);
  compare(state.pools, new Map(target.pools.map((one) => [one.name, poolRow(one)])), plan.pools);
  const backends = target.pools.flatMap((pool) =>
    pool.backends.map((backend) => [backendKey(pool.name, backend.id), backend] as const),
  );
  compareBackends(state, new Map(backends), plan);
  if (!same(state.settings.get('settings') ?? DEFAULT_SETTINGS, target.settings)) plan.settings = target.settings;
  for (const kind of ['listeners', 'pools', 'certificates'] as const) {
    const order = names(target[kind]);
    if (!same(state.order.get(kind) ?? [], order)) plan.order[kind] = order;
  }
  return plan;
}

function compare<V>(
  present: { keys(): Iterable<string>; get(key: string): V | undefined },
  target: ReadonlyMap<string, V>,
  into: Record<string, V | null>,
): void {
  for (const key of present.keys()) if (!target.has(key)) into[key] = null;
  for (const [key, value] of target) if (!same(present.get(key), value)) into[key] = value;
}

function compareBackends(state: ReadonlyState, target: ReadonlyMap<string, BackendConfig>, plan: ConfigPlan): void {
  for (const key of state.backends.keys()) if (!target.has(key)) plan.backends[key] = null;
  for (const [key, config] of target) if (!same(state.backends.get(key)?.config, config)) plan.backends[key] = config;
}

/** Rows are made by normalising, so equal rows have equal text. */
function same(a: unknown, b: unknown): boolean {
  return a === b || (a !== undefined && b !== undefined && JSON.stringify(a) === JSON.stringify(b));
}

/** Writes the rows, gives the configuration its revision, and judges again what hangs on it. */
export function commitPlan(context: Context, plan: ConfigPlan, target: string, summary: string): void {
  const undo = undoOf(context.state, plan);
  const numbersOnly = isNumbersOnly(context.state, plan);
  // No verdict hangs on numbers, so what is the frequent change is done here.
  if (numbersOnly) for (const key in plan.backends) writeBackend(context, key, plan.backends[key] as BackendConfig);
  const rejudged = numbersOnly ? NOTHING : commitShape(context, plan);
  recordRevision(context, { target, summary, undo });
  for (const key of rejudged) reviewBackend(context, key);
}

const NOTHING: readonly string[] = [];

/** What is more than numbers. Answers the backends whose verdict must be found anew. */
function commitShape(context: Context, plan: ConfigPlan): Iterable<string> {
  const { state, changes } = context;
  const rejudged = new Set<string>();
  for (const [name, value] of Object.entries(plan.listeners)) put(state.listeners, name, value);
  for (const [name, value] of Object.entries(plan.certificates)) put(state.certificates, name, value);
  for (const [name, row] of Object.entries(plan.pools)) {
    if (row !== null && !same(state.pools.get(name)?.health, row.health)) {
      for (const id of row.backends) rejudged.add(backendKey(name, id));
    }
    put(state.pools, name, row);
  }
  // Those that go make room first.
  for (const [key, config] of Object.entries(plan.backends)) if (config === null) removeBackend(context, key);
  for (const [key, config] of Object.entries(plan.backends)) {
    if (config !== null && writeBackend(context, key, config)) rejudged.add(key);
  }
  if (plan.settings !== null) state.settings.set('settings', plan.settings);
  for (const [kind, order] of Object.entries(plan.order)) state.order.set(kind, order);
  changes.config = true;
  return rejudged;
}

function put<V>(
  table: { set(key: string, value: V): void; delete(key: string): boolean },
  key: string,
  value: V | null,
) {
  if (value === null) table.delete(key);
  else table.set(key, value);
}

/** Written out, part by part: every change passes here, and most change one backend. */
function undoOf(state: State, plan: ConfigPlan): UndoRow {
  const { listeners, pools, backends, certificates, settings, order } = plan;
  const undo: { -readonly [K in keyof UndoRow]: UndoRow[K] } = {};
  if (!isEmpty(listeners)) undo.listeners = before(listeners, (key) => state.listeners.get(key));
  if (!isEmpty(pools)) undo.pools = before(pools, (key) => state.pools.get(key));
  if (!isEmpty(backends)) undo.backends = before(backends, (key) => state.backends.get(key)?.config);
  if (!isEmpty(certificates)) undo.certificates = before(certificates, (key) => state.certificates.get(key));
  if (settings !== null) undo.settings = state.settings.get('settings') ?? DEFAULT_SETTINGS;
  if (!isEmpty(order))
    undo.order = Object.fromEntries(Object.keys(order).map((kind) => [kind, state.order.get(kind) ?? []]));
  return undo;
}

/** The rows that stand in the place of those of a part; null where there is none. */
function before<V>(part: Readonly<Record<string, unknown>>, get: (key: string) => V | undefined) {
  const rows: Record<string, V | null> = {};
  for (const key in part) rows[key] = get(key) ?? null;
  return rows;
}

/** Only weights and states of backends that exist: proxy threads need no new snapshot for that. */
function isNumbersOnly(state: State, plan: ConfigPlan): boolean {
  const { listeners, pools, backends, certificates, settings, order } = plan;
  if (settings !== null || !isEmpty(listeners) || !isEmpty(pools)) return false;
  if (!isEmpty(certificates) || !isEmpty(order)) return false;
  for (const key in backends) {
    const next = backends[key] ?? null;
    const present = state.backends.get(key)?.config;
    if (next === null || present === undefined) return false;
    for (const field of NUMBERS_APART) if (!same(present[field], next[field])) return false;
  }
  return true;
}

/** All that a backend's configuration has, but for weight and state. */
const NUMBERS_APART = Object.keys({
  id: 0,
  address: 0,
  priority: 0,
  tags: 0,
} satisfies Record<Exclude<keyof BackendConfig, 'weight' | 'state'>, 0>) as readonly Exclude<
  keyof BackendConfig,
  'weight' | 'state'
>[];

function takesWork(config: BackendConfig): boolean {
  return config.state === 'enabled' && config.weight > 0;
}

/** The row of a backend that was there before, with another configuration. */
export function numbersRow(before: BackendRow, config: BackendConfig, timeMs: number): BackendRow {
  const { pool, slot, enabledSinceMs } = before;
  const woken = takesWork(config) && !takesWork(before.config);
  return { pool, config, slot, enabledSinceMs: woken ? timeMs : enabledSinceMs };
}

/** True where its verdict must be found anew. */
function writeBackend(context: Context, key: string, config: BackendConfig): boolean {
  const { state, timeMs, changes } = context;
  const pool = key.slice(0, key.indexOf('/'));
  const before = state.backends.get(key);
  const row =
    before === undefined
      ? { pool, config, slot: takeSlot(state, slotOwner(pool, config.id)), enabledSinceMs: timeMs }
      : numbersRow(before, config, timeMs);
  state.backends.set(key, row);
  changes.backend(key, pool, config.id);
  if (before !== undefined && before.config.address === config.address) return false;
  if (before !== undefined) forgetBackend(state, key);
  const reason = before === undefined ? 'new' : 'its address is new';
  state.verdicts.set(key, { ...UNKNOWN_VERDICT, sinceMs: timeMs, reason });
  state.derived.timed.delete(key);
  return true;
}

function removeBackend({ state }: Context, key: string): void {
  const row = state.backends.get(key);
  if (row === undefined) return;
  restSlot(state, row.slot);
  forgetBackend(state, key);
  state.derived.timed.delete(key);
  state.verdicts.delete(key);
  state.backends.delete(key);
}

/** The next free slot after the one given last, so that one that was freed rests as long as can be. */
function takeSlot(state: State, owner: SlotOwner): number {
  const { usedSlots, slotOwners } = state.derived;
  // There are fewer backends than slots: one of those that rest is free then.
  if (!usedSlots.includes(0)) releaseAllSlots(state, state.meta.logTimeMs);
  let slot = state.meta.slotCursor;
  while (usedSlots[slot] === 1) slot = (slot + 1) % BACKEND_SLOTS_MAX;
  usedSlots[slot] = 1;
  slotOwners[slot] = owner;
  state.meta.slotCursor = (slot + 1) % BACKEND_SLOTS_MAX;
  return slot;
}
