/** Compiles the state into what proxy threads route by. Pure: the same at the same index on every node. */
import {
  type AffinitySpec,
  type BackendDelta,
  type BackendSpec,
  type HashSource,
  type ListenerConfig,
  type ListenerSpec,
  type PoolSpec,
  type RouteConfig,
  type RouteSpec,
  type RoutingSnapshot,
} from '@flotilla/shared';
import { parseAddress } from '@flotilla/shared/schema';
import { readSettings } from './reads.ts';
import type { BackendRow, PoolRow, VerdictRow } from './rows.ts';
import { backendKey, type ReadonlyState } from './state.ts';
import { byCodeUnit } from './table.ts';

const WHOLE_PERCENT = 100;
const AFFINITY_COOKIE = 'FLOTILLA';

export function compileRouting(state: ReadonlyState): RoutingSnapshot {
  const { index, revision, logTimeMs, affinityKey } = state.meta;
  const inOrder = <V>(kind: string, get: (name: string) => V | undefined) =>
    (state.order.get(kind) ?? []).flatMap((name) => get(name) ?? []);
  return {
    index,
    revision,
    logTimeMs,
    listeners: inOrder('listeners', (name) => state.listeners.get(name)).map(listenerSpec),
    pools: inOrder('pools', (name) => state.pools.get(name)).map((row) => poolSpec(state, row)),
    certificates: inOrder('certificates', (name) => state.certificates.get(name)),
    settings: { viaName: readSettings(state).viaName, affinityKey },
  };
}

/** One backend's numbers now; undefined where it is gone. */
export function backendDelta(state: ReadonlyState, pool: string, id: string): BackendDelta | undefined {
  const key = backendKey(pool, id);
  const row = state.backends.get(key);
  const verdict = state.verdicts.get(key);
  if (row === undefined || verdict === undefined) return undefined;
  const { weight, state: admin } = row.config;
  return { pool, id, weight, state: admin, verdict: verdict.verdict, upSinceMs: upSinceMs(row, verdict) };
}

/** It can serve since both hold: probes say so, and weight and state let it. */
function upSinceMs(row: BackendRow, verdict: VerdictRow): number {
  return Math.max(row.enabledSinceMs, verdict.upSinceMs);
}

/** What an older version stored lacks what was added since. */
const LISTENER_DEFAULTS = { maxResponseBodyBytes: 0, traceContext: { startRatio: 0 } };

function listenerSpec(listener: ListenerConfig): ListenerSpec {
  return { ...LISTENER_DEFAULTS, ...listener, routes: listener.routes.map(routeSpec) };
}

function routeSpec(route: RouteConfig): RouteSpec {
  const { match, redirect, headers } = route;
  const edits = (side: { readonly set: Readonly<Record<string, string>>; readonly remove: readonly string[] }) => ({
    set: pairs(side.set),
    remove: side.remove,
  });
  return {
    match: {
      host: match.host?.toLowerCase() ?? null,
      pathPrefix: match.pathPrefix,
      path: match.path,
      method: match.method,
      headers: pairs(match.header),
      sni: match.sni?.toLowerCase() ?? null,
    },
    action: redirect === null ? { type: 'pool', split: shares(route) } : { type: 'redirect', ...redirect },
    rewrite: route.rewrite,
    headers: { request: edits(headers), response: edits(headers.response) },
  };
}

/** The route's own pool has what the others leave. */
function shares(route: RouteConfig): { pool: string; weight: number }[] {
  const taken = route.split.reduce((sum, share) => sum + share.weight, 0);
  const own = route.pool === null ? [] : [{ pool: route.pool, weight: WHOLE_PERCENT - taken }];
  return [...own, ...route.split];
}

function pairs(map: Readonly<Record<string, string>>): { name: string; value: string }[] {
  return Object.entries(map)
    .map(([name, value]) => ({ name, value }))
    .sort((a, b) => byCodeUnit(a.name, b.name));
}

function poolSpec(state: ReadonlyState, row: PoolRow): PoolSpec {
  return {
    ...row,
    hash: hashSource(row.hash.on),
    affinity: affinitySpec(row.affinity),
    backends: row.backends.flatMap((id) => backendSpec(state, row.name, id) ?? []),
  };
}

function hashSource(on: string): HashSource {
  const [kind, name = ''] = on.split(':', 2);
  switch (kind) {
    case 'header':
    case 'cookie':
    case 'query':
      return { on: kind, name };
    case 'path':
      return { on: 'path' };
    default:
      return { on: 'source-ip' };
  }
}

function affinitySpec(affinity: PoolRow['affinity']): AffinitySpec | null {
  if (affinity === null) return null;
  const { type, ttlMs, strict } = affinity;
  const name = type === 'source-ip' ? '' : affinity.name === '' ? AFFINITY_COOKIE : affinity.name;
  return { type, name, ttlMs, strict };
}

function backendSpec(state: ReadonlyState, pool: string, id: string): BackendSpec | undefined {
  const key = backendKey(pool, id);
  const row = state.backends.get(key);
  const verdict = state.verdicts.get(key);
  const address = row === undefined ? null : parseAddress(row.config.address);
  if (row === undefined || verdict === undefined || address === null) return undefined;
  const { weight, state: admin, priority, tags } = row.config;
  return {
    id,
    host: address.host,
    port: address.port,
    weight,
    state: admin,
    verdict: verdict.verdict,
    upSinceMs: upSinceMs(row, verdict),
    priority,
    tags,
    slot: row.slot,
  };
}
