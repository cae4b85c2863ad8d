/**
 * The rules of pinning: who gets a pin, who keeps it, when it goes.
 *
 * The first committed pin wins. Another backend gets the session only where the pinned one may not serve it any more and the
 * pool is not strict. Expiry is in log time: an expired pin is dead for every reader at once, and is removed when a tick sweeps
 * its partition of the key space, so that no entry ever costs a walk through the whole table.
 */
import { encodeShownKey, hashWords, newPinKey, type StoredPin } from '@flotilla/shared';
import type { PinsClear, PinsDelete, PinsPut } from './commands.ts';
import { type Context, ok, refuse } from './context.ts';
import type { SlotOwner } from './derived.ts';
import { recordAudit } from './journal.ts';
import { PIN_PARTITIONS_COUNT, PIN_SWEEP_PARTITIONS_COUNT } from './limits.ts';
import { PIN_WORDS } from './pin-codec.ts';
import type { CommandResult } from './result.ts';
import type { PoolRow } from './rows.ts';
import type { ReadonlyState, State } from './state.ts';

const SECOND_MS = 1_000;
/** A pin is prolonged once this much of its time is gone. */
const REFRESH_RATIO = 0.25;
const SWEPT = 'swept';
const key = newPinKey();

/** Log time as pins count it. */
export function pinSeconds(timeMs: number): number {
  return Math.floor(timeMs / SECOND_MS);
}

export function applyPinsPut(context: Context, { items }: PinsPut): CommandResult {
  let changed = false;
  for (let at = 0; at < items.length; at += PIN_WORDS) {
    key.pool = items[at] ?? 0;
    for (let word = 0; word < 4; word++) key.words[word] = items[at + 1 + word] ?? 0;
    key.hash = hashWords(key);
    if (pin(context, items[at + 5] ?? -1)) changed = true;
  }
  return ok(context, changed);
}

/** Pins the session in `key`. */
function pin({ state, timeMs, index }: Context, slot: number): boolean {
  const owner = ownerOf(state, slot, key.pool);
  const pool = owner === null ? undefined : state.pools.get(owner.pool);
  const ttlMs = pool === undefined ? 0 : pinTtlMs(pool);
  if (pool === undefined || ttlMs === 0) return false;
  const nowS = pinSeconds(timeMs);
  const fresh = { backend: slot, expiresS: pinSeconds(timeMs + ttlMs + SECOND_MS - 1), revision: index };
  const before = state.pins.get(key);
  if (before === null || before.expiresS <= nowS) return state.pins.set(key, fresh);
  if (before.backend === slot) {
    // Most only prolong: not worth a write until some of the time is gone.
    if ((before.expiresS - nowS) * SECOND_MS > ttlMs * (1 - REFRESH_RATIO)) return false;
    return state.pins.set(key, { ...fresh, revision: before.revision });
  }
  const holder = ownerOf(state, before.backend, key.pool);
  if (holder !== null && (pool.affinity?.strict === true || mayServe(state, holder, pool))) return false;
  return state.pins.set(key, fresh);
}

/** One session, by the key as given or as shown. */
export function applyPinsDelete(context: Context, command: PinsDelete): CommandResult {
  encodeShownKey(command.pool, command.session, key);
  if (!context.state.pins.delete(key)) {
    return refuse(context, 'NOT_FOUND', `${command.session} is not pinned in pool ${command.pool}`);
  }
  context.changes.unpinned.push({ pool: command.pool, key: command.session });
  recordAudit(context, `session ${command.pool}/${command.session}`, 'unpinned');
  return ok(context, true);
}

/** All of a pool, or of one of its backends, within one partition of the key space. */
export function applyPinsClear(context: Context, command: PinsClear): CommandResult {
  const { state } = context;
  const pool = state.pools.get(command.pool);
  if (pool === undefined) return refuse(context, 'NOT_FOUND', `there is no pool ${command.pool}`);
  encodeShownKey(command.pool, '', key);
  const { pool: hash } = key;
  const { backend } = command;
  const slot = backend === undefined ? null : state.backends.get(`${command.pool}/${backend}`)?.slot;
  if (slot === undefined) return refuse(context, 'NOT_FOUND', `there is no backend ${command.pool}/${backend}`);
  const removed = state.pins.sweep(
    command.partition,
    (one) => one.pool === hash && (slot === null || one.backend === slot),
  );
  if (command.partition === 0)
    recordAudit(context, `sessions of ${command.pool}${slot === null ? '' : `/${backend}`}`, 'unpinned');
  return ok(context, removed > 0);
}

/** At each tick: dead pins of the next partitions go, and slots that no pin can name any more are free again. */
export function sweepPins({ state, timeMs }: Context): void {
  if (state.pins.size === 0) {
    state.pinSweeps.delete(SWEPT);
    return releaseSlots(state, Infinity);
  }
  const nowS = pinSeconds(timeMs);
  const swept = state.pinSweeps.get(SWEPT)?.count ?? 0;
  const next = swept + PIN_SWEEP_PARTITIONS_COUNT;
  for (let at = swept; at < next; at++) {
    state.pins.sweep(at % PIN_PARTITIONS_COUNT, (one) => isDead(state, one, nowS));
  }
  state.pinSweeps.set(SWEPT, { count: next });
  releaseSlots(state, next);
}

/** The backend is gone: its pins are dead from now on, and its slot rests until all of them are removed. */
export function restSlot(state: State, slot: number): void {
  state.derived.slotOwners[slot] = undefined;
  if (state.pins.size === 0) state.derived.usedSlots[slot] = 0;
  else state.restingSlots.set(String(slot), { slot, sweptCount: state.pinSweeps.get(SWEPT)?.count ?? 0 });
}

/** No slot is free: what rests is made free at once, at the price of a walk through the whole table. */
export function releaseAllSlots(state: State, timeMs: number): void {
  const nowS = pinSeconds(timeMs);
  for (let at = 0; at < PIN_PARTITIONS_COUNT; at++) state.pins.sweep(at, (one) => isDead(state, one, nowS));
  releaseSlots(state, Infinity);
}

function releaseSlots(state: State, sweptCount: number): void {
  for (;;) {
    const oldest = state.restingSlots.oldestKey();
    const row = oldest === undefined ? undefined : state.restingSlots.get(oldest);
    if (oldest === undefined || row === undefined || row.sweptCount + PIN_PARTITIONS_COUNT > sweptCount) return;
    state.restingSlots.delete(oldest);
    state.derived.usedSlots[row.slot] = 0;
  }
}

/** Null where the slot is nobody's, or another pool's. */
export function ownerOf(state: Pick<State, 'derived'>, slot: number, pool: number): SlotOwner | null {
  const owner = state.derived.slotOwners[slot];
  return owner?.poolHash === pool ? owner : null;
}

/** How long a pin of the pool lasts; 0: the pool has no use for the table. */
function pinTtlMs({ affinity }: PoolRow): number {
  return affinity === null || affinity.type === 'cookie' ? 0 : affinity.ttlMs;
}

function isDead(state: State, one: StoredPin, nowS: number): boolean {
  if (one.expiresS <= nowS) return true;
  const owner = ownerOf(state, one.backend, one.pool);
  const pool = owner === null ? undefined : state.pools.get(owner.pool);
  return pool === undefined || pinTtlMs(pool) === 0;
}

/** Whether pinned sessions may go on with it; draining ones keep theirs. The same rule as in the proxy threads. */
function mayServe(state: ReadonlyState, owner: SlotOwner, pool: PoolRow): boolean {
  if (state.backends.get(owner.key)?.config.state === 'maintenance') return false;
  if (isUp(state, owner.key)) return true;
  return pool.failOpen && !pool.backends.some((id) => takesNewWork(state, `${pool.name}/${id}`));
}

function takesNewWork(state: ReadonlyState, backend: string): boolean {
  const config = state.backends.get(backend)?.config;
  return config?.state === 'enabled' && config.weight > 0 && isUp(state, backend);
}

function isUp(state: ReadonlyState, backend: string): boolean {
  const verdict = state.verdicts.get(backend)?.verdict;
  return verdict === 'up' || verdict === 'unknown';
}
