/**
 * Why a request goes where it goes: the same code as the proxy threads run, over one snapshot, without loads, suspicion or chance.
 *
 * Pure: equal snapshot and request, equal answer, on every node. Where the choice is local by nature (round-robin, load, random)
 * it says so and gives the shares instead of a choice.
 */
import type { ExplainRequest, PoolSpec, RouteSpec, RoutingSnapshot } from '@flotilla/shared';
import { decodeCookie } from '../affinity/cookie.ts';
import { sessionKey } from '../affinity/session-key.ts';
import { cookieValue, hashKey } from '../balancing/hash-key.ts';
import { canonicalAddress } from '../config/address.ts';
import { buildTable } from '../config/build-table.ts';
import { isHashing, refusal } from '../config/pick-plan.ts';
import type { BackendPool } from '../config/backend-pool.ts';
import { privateCounts, RuntimeRegistry } from '../config/runtime-registry.ts';
import type { PickContext, RouteTable } from '../config/table.ts';

export interface Candidate {
  readonly backend: string;
  readonly priority: number;
  readonly weight: number;
  readonly state: string;
  readonly verdict: string;
  /** Part of the pool's new work that it gets, 0–1. */
  readonly shareRatio: number;
  /** Why it gets none; '' where it gets some. */
  readonly reason: string;
}

export interface PoolExplanation {
  readonly pool: string;
  /** Part of the route's requests that this pool gets, 0–1. */
  readonly splitRatio: number;
  readonly algorithm: string;
  /** What is hashed or pinned by, '' where nothing is. */
  readonly key: string;
  readonly pin: string | null;
  readonly candidates: readonly Candidate[];
  /** null: nobody can serve it, or every node decides for itself by the shares. */
  readonly choice: string | null;
  /** Every node and thread gives this answer. */
  readonly deterministic: boolean;
  readonly why: string;
}

export interface Explanation {
  readonly index: number;
  readonly revision: number;
  /** Position in the listener's routes; -1: none matches. */
  readonly route: number;
  readonly match: RouteSpec['match'] | null;
  readonly action: RouteSpec['action'] | null;
  readonly pools: readonly PoolExplanation[];
}

/** null: there is no such listener. */
export function explain(snapshot: RoutingSnapshot, request: ExplainRequest): Explanation | null {
  const listeners = snapshot.listeners.filter((listener) => listener.name === request.listener);
  const inputs = { nowMs: () => 0, logNowMs: () => snapshot.logTimeMs, random: () => 0 };
  const slots = snapshot.pools.flatMap((pool) => pool.backends.map((backend) => backend.slot + 1));
  const registry = new RuntimeRegistry(privateCounts(slots.reduce((a, b) => Math.max(a, b), 1)));
  const table = buildTable({ ...snapshot, listeners }, registry, inputs);
  const listener = table.listeners.get(request.listener);
  if (listener === undefined) return null;
  const context = contextOf(request);
  const { protocol } = listener.spec;
  const route =
    protocol === 'http' || protocol === 'https'
      ? listener.matchHttp(hostName(request.host), context.path, request.method, context.header)
      : listener.matchSni(hostName(request.host));
  const { index, revision } = snapshot;
  if (route === null) return { index, revision, route: -1, match: null, action: null, pools: [] };
  const pools = splitOf(route).flatMap(({ pool: name, ratio }) => {
    const pool = table.pools.get(name);
    return pool === undefined ? [] : [explainPool(pool, ratio, { request, context, snapshot })];
  });
  const { match, action } = route.spec;
  return { index, revision, route: listener.spec.routes.indexOf(route.spec), match, action, pools };
}

interface Asked {
  readonly request: ExplainRequest;
  readonly context: PickContext;
  readonly snapshot: RoutingSnapshot;
}

function explainPool(pool: BackendPool, splitRatio: number, asked: Asked): PoolExplanation {
  const { spec } = pool;
  const { tiers, failingOpen } = pool.plan();
  const [first] = tiers;
  const total = first?.weights.reduce((sum, weight) => sum + weight, 0) ?? 0;
  const candidates = pool.backends.map((backend): Candidate => {
    const at = first?.backends.indexOf(backend) ?? -1;
    const { priority, weight, state, verdict } = backend.spec;
    const reason = refusal(backend, failingOpen) ?? (at < 0 ? 'a tier of lower priority number serves' : '');
    const shareRatio = at < 0 ? 0 : (first?.weights[at] ?? 0) / total;
    return { backend: backend.id, priority, weight, state, verdict, shareRatio, reason };
  });
  const open = failingOpen ? '; no backend is up and the pool fails open' : '';
  const common = { pool: spec.name, splitRatio, algorithm: spec.algorithm, candidates };
  const decided = decide(pool, asked);
  return { ...common, ...decided, why: decided.why + open };
}

type Decision = Pick<PoolExplanation, 'key' | 'pin' | 'choice' | 'deterministic' | 'why'>;

function decide(pool: BackendPool, asked: Asked): Decision {
  const { spec } = pool;
  const session = sessionOf(spec, asked);
  const pinned = session.pin === null ? null : pool.backend(session.pin);
  if (pinned !== null && pool.servesPinned(pinned))
    return { ...session, choice: pinned.id, deterministic: true, why: `pinned by ${spec.affinity?.type}` };
  if (pinned !== null && spec.affinity?.strict === true)
    return { ...session, choice: null, deterministic: true, why: 'pinned strictly to a backend that cannot serve' };
  if (pool.plan().tiers.length === 0)
    return { ...session, choice: null, deterministic: true, why: 'no backend may take new work' };
  if (session.key !== '' && spec.affinity?.type !== 'cookie') {
    const choice = pool.pickByKey(session.key, asked.context)?.id ?? null;
    return { ...session, choice, deterministic: true, why: 'first choice of an unpinned session, by rendezvous hash' };
  }
  if (isHashing(spec)) {
    const choice = pool.pick(asked.context)?.id ?? null;
    const bounded = spec.boundedLoadRatio > 0;
    const why = bounded ? `${spec.algorithm} hash, unless it is at its load bound` : `${spec.algorithm} hash`;
    return { ...session, key: hashKey(spec.hash, asked.context), choice, deterministic: !bounded, why };
  }
  return {
    ...session,
    choice: null,
    deterministic: false,
    why: `${spec.algorithm}: each proxy thread decides, by the shares`,
  };
}

function sessionOf(spec: PoolSpec, { request, context, snapshot }: Asked): { key: string; pin: string | null } {
  const { affinity } = spec;
  if (affinity === null) return { key: '', pin: null };
  if (affinity.type === 'cookie') {
    const value = cookieValue(context.header('cookie'), affinity.name);
    const scope = { key: snapshot.settings.affinityKey, pool: spec.name };
    const content = value === null || scope.key === '' ? null : decodeCookie(scope, value);
    const isLive = content !== null && content.expiresMs > snapshot.logTimeMs;
    return { key: '', pin: isLive ? content.backendId : null };
  }
  const key = sessionKey(affinity, context) ?? '';
  return { key, pin: key === '' ? null : (request.pinOf?.(spec.name, key) ?? null) };
}

function contextOf({
  path,
  clientIp,
  headers,
}: ExplainRequest): PickContext & { header(name: string): string | undefined } {
  const mark = path.indexOf('?');
  const byName = new Map<string, string>();
  for (const { name, value } of headers) {
    const known = byName.get(name.toLowerCase());
    byName.set(name.toLowerCase(), known === undefined ? value : `${known}, ${value}`);
  }
  return {
    clientIp: canonicalAddress(clientIp),
    path: mark < 0 ? path : path.slice(0, mark),
    query: mark < 0 ? '' : path.slice(mark + 1),
    header: (lowerName) => byName.get(lowerName),
    tried: [],
  };
}

function hostName(host: string): string {
  const lower = host.toLowerCase();
  const colon = lower.lastIndexOf(':');
  return colon > lower.lastIndexOf(']') ? lower.slice(0, colon) : lower;
}

function splitOf({ spec: { action } }: RouteTable): { pool: string; ratio: number }[] {
  if (action.type !== 'pool') return [];
  const total = action.split.reduce((sum, part) => sum + part.weight, 0);
  return action.split.map(({ pool, weight }) => ({ pool, ratio: total === 0 ? 0 : weight / total }));
}
