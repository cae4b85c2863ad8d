/** What differs between two configuration documents, in words and paths that people and scripts can use, and whom it touches. */
import type { Config } from '@flotilla/shared';
import { type KeysMoved, keysMoved } from './key-moves.ts';

export interface ConfigChange {
  /** By name rather than by place, e.g. `pools.api.backends.b1.weight`. */
  readonly path: string;
  readonly kind: 'added' | 'removed' | 'changed';
  /** Absent where there was nothing, or where it is a secret. */
  readonly before?: unknown;
  readonly after?: unknown;
}

export interface ConfigImpact {
  /** Listeners whose socket is opened, closed, or opened anew (port or kind of protocol changed). */
  readonly listenersOpened: readonly string[];
  readonly listenersClosed: readonly string[];
  readonly listenersRebound: readonly string[];
  /** Same socket, other rules for what comes next. */
  readonly listenersChanged: readonly string[];
  readonly poolsChanged: readonly string[];
  /** As `pool/id`. */
  readonly backendsAdded: readonly string[];
  readonly backendsRemoved: readonly string[];
  /** Of pools that choose by a key: share of keys that go to another backend. Pinned sessions stay. */
  readonly keysMoved: readonly KeysMoved[];
}

export interface ConfigDiff {
  readonly changes: readonly ConfigChange[];
  readonly impact: ConfigImpact;
}

type Named = Readonly<Record<string, unknown>>;

const SECRETS = new Set(['keyPem']);
const LISTS = ['listeners', 'pools', 'certificates'] as const;

export function diffConfig(before: Config, after: Config): ConfigDiff {
  const changes: ConfigChange[] = [];
  for (const list of LISTS) diffNamed(before[list], after[list], { path: list, key: 'name' }, changes);
  diffValue(before.settings, after.settings, 'settings', changes);
  return { changes, impact: impactOf(before, after) };
}

/** Lists whose items have names are compared by name; an order that changed is one change of its own. */
function diffNamed(
  before: readonly object[],
  after: readonly object[],
  at: { readonly path: string; readonly key: 'name' | 'id' },
  changes: ConfigChange[],
): void {
  const { path, key } = at;
  const byName = (items: readonly object[]) => new Map(items.map((item) => [(item as Named)[key] as string, item]));
  const old = byName(before);
  const fresh = byName(after);
  for (const [name, item] of old) {
    if (!fresh.has(name)) changes.push({ path: `${path}.${name}`, kind: 'removed', before: withoutSecrets(item) });
  }
  for (const [name, item] of fresh) {
    const was = old.get(name);
    if (was === undefined) changes.push({ path: `${path}.${name}`, kind: 'added', after: withoutSecrets(item) });
    else if (was !== item) diffValue(was, item, `${path}.${name}`, changes);
  }
  const kept = (names: Iterable<string>, other: ReadonlyMap<string, unknown>) =>
    [...names].filter((name) => other.has(name));
  const orderBefore = kept(old.keys(), fresh);
  const orderAfter = kept(fresh.keys(), old);
  if (orderBefore.join(' ') !== orderAfter.join(' ')) {
    changes.push({ path, kind: 'changed', before: orderBefore, after: orderAfter });
  }
}

function diffValue(before: unknown, after: unknown, path: string, changes: ConfigChange[]): void {
  if (before === after || JSON.stringify(before) === JSON.stringify(after)) return;
  if (!isObject(before) || !isObject(after)) {
    const secret = SECRETS.has(path.slice(path.lastIndexOf('.') + 1));
    changes.push(secret ? { path, kind: 'changed' } : { path, kind: 'changed', before, after });
    return;
  }
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [a, b] = [before[key], after[key]];
    if (key === 'backends' && Array.isArray(a) && Array.isArray(b)) {
      diffNamed(a as object[], b as object[], { path: `${path}.backends`, key: 'id' }, changes);
    } else if (a === undefined) {
      changes.push({ path: `${path}.${key}`, kind: 'added', after: b });
    } else if (b === undefined) {
      changes.push({ path: `${path}.${key}`, kind: 'removed', before: a });
    } else {
      diffValue(a, b, `${path}.${key}`, changes);
    }
  }
}

function isObject(value: unknown): value is Named {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function withoutSecrets(item: object): object {
  return Object.fromEntries(Object.entries(item).filter(([key]) => !SECRETS.has(key)));
}

function impactOf(before: Config, after: Config): ConfigImpact {
  const listeners = matchUp(before.listeners, after.listeners);
  const pools = matchUp(before.pools, after.pools);
  const backends = (config: Config) =>
    config.pools.flatMap((pool) => pool.backends.map((backend) => ({ name: `${pool.name}/${backend.id}` })));
  const keys = matchUp(backends(before), backends(after));
  const rebound = listeners.changed.filter(([was, is]) => was.port !== is.port || family(was) !== family(is));
  return {
    listenersOpened: listeners.added,
    listenersClosed: listeners.removed,
    listenersRebound: rebound.map(([was]) => was.name),
    listenersChanged: listeners.changed.filter((pair) => !rebound.includes(pair)).map(([was]) => was.name),
    poolsChanged: pools.changed.map(([was]) => was.name),
    backendsAdded: keys.added,
    backendsRemoved: keys.removed,
    keysMoved: keysMoved(before, after),
  };
}

function family(listener: { readonly protocol: string }): string {
  return listener.protocol === 'udp' ? 'udp' : 'tcp';
}

function matchUp<T extends { readonly name: string }>(before: readonly T[], after: readonly T[]) {
  const old = new Map(before.map((item) => [item.name, item]));
  const fresh = new Map(after.map((item) => [item.name, item]));
  const changed: [T, T][] = [];
  for (const [name, was] of old) {
    const is = fresh.get(name);
    if (is !== undefined && JSON.stringify(was) !== JSON.stringify(is)) changed.push([was, is]);
  }
  return {
    added: [...fresh.keys()].filter((name) => !old.has(name)),
    removed: [...old.keys()].filter((name) => !fresh.has(name)),
    changed,
  };
}
