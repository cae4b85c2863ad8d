/**
 * The routing table as the request path sees it: one immutable picture per snapshot, compiled by `build-table.ts`.
 *
 * A request takes the table once and keeps it to its end, so that a change never moves it between two truths. What must
 * survive a change (work in flight, pooled upstream connections, suspicion) hangs on {@link BackendRuntime} instead.
 */
import type { BackendSpec, ListenerSpec, PoolSpec, RouteSpec, RoutingSnapshot } from '@flotilla/shared';

export interface RoutingTable {
  readonly index: number;
  readonly revision: number;
  readonly snapshot: RoutingSnapshot;
  readonly listeners: ReadonlyMap<string, ListenerTable>;
  readonly pools: ReadonlyMap<string, Pool>;
  /** Replicated time, carried on since the last message: what sessions expire by. */
  logNowMs(): number;
}

export interface ListenerTable {
  readonly spec: ListenerSpec;
  /** First match wins. `host` is lower case and without port; `path` without the query. */
  matchHttp(
    host: string,
    path: string,
    method: string,
    header: (lowerName: string) => string | undefined,
  ): RouteTable | null;
  /** `sni` is lower case, '' where the client sent none. */
  matchSni(sni: string): RouteTable | null;
  /** Whether forwarding fields from this peer are believed. */
  trustsProxy(ip: string): boolean;
  /** Whether a PROXY header from this peer is believed. */
  trustsProxyProtocol(ip: string): boolean;
}

export interface RouteTable {
  readonly spec: RouteSpec;
  /** Chosen by the weights of the split; null where every part has weight 0 or the action is no pool. */
  pool(random: () => number): Pool | null;
}

export interface Pool {
  readonly spec: PoolSpec;
  readonly backends: readonly Backend[];
  backend(id: string): Backend | null;
  pick(request: PickContext): Backend | null;
  /** The deterministic choice for a session, whatever the pool's algorithm: nodes that are asked at once agree. */
  pickByKey(key: string, request: PickContext): Backend | null;
  /** Whether a session that is already pinned to this backend may go on with it: also while it drains. */
  servesPinned(backend: Backend): boolean;
}

export interface PickContext {
  clientIp: string;
  path: string;
  query: string;
  header(lowerName: string): string | undefined;
  /** Backends already tried for this request. */
  tried: Backend[];
}

export interface Backend {
  readonly pool: string;
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly slot: number;
  /** Replaced by deltas. */
  spec: BackendSpec;
  readonly runtime: BackendRuntime;
}

/** Survives table swaps: keyed by pool, id and address. */
export interface BackendRuntime {
  readonly key: string;
  /** Over all proxy threads of this node. */
  inFlight(): number;
  begin(): void;
  end(): void;
  /** Until then (context's `nowMs`) the choosers pass over it where another can serve. */
  suspectUntilMs: number;
  /** This node's own probes cannot reach it, whatever the verdict says. */
  locallyDown: boolean;
  /** Feeds peak-EWMA; called with the time to the response head. */
  observeLatency(latencyMs: number, nowMs: number): void;
  /** Peak-EWMA of the latency as of `nowMs`. */
  latencyMs(nowMs: number): number;
  /** The upstream connection pool of whoever proxies to it, null until there is one. */
  upstream: unknown;
  consecutiveErrors: number;
}
