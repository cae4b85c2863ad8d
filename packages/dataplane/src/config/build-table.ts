/**
 * Compiles a routing snapshot into a routing table: pure but for the runtimes it looks up, and fast (10,000 backends in
 * 1,000 pools), because everything that can wait for the first request of its pool or host waits.
 */
import type { BackendSpec, ListenerSpec, PoolSpec, RouteSpec, RoutingSnapshot } from '@flotilla/shared';
import { weightedRandom } from '../balancing/weighted-random.ts';
import { BackendPool } from './backend-pool.ts';
import { CidrSet } from './cidr.ts';
import type { PickInputs } from './pick-plan.ts';
import { matchesPath, RouteIndex } from './route-index.ts';
import type { RuntimeRegistry } from './runtime-registry.ts';
import type { Backend, BackendRuntime, ListenerTable, Pool, RouteTable, RoutingTable } from './table.ts';

/** A table whose pools can follow deltas. Only `apply-delta.ts` and the owner of the table know it as such. */
export interface LiveTable extends RoutingTable {
  readonly pools: ReadonlyMap<string, BackendPool>;
}

export function buildTable(snapshot: RoutingSnapshot, registry: RuntimeRegistry, inputs: PickInputs): LiveTable {
  const pools = new Map(snapshot.pools.map((spec) => [spec.name, buildPool(spec, registry, inputs)]));
  const listeners = new Map(snapshot.listeners.map((spec) => [spec.name, new CompiledListener(spec, pools)]));
  const { index, revision } = snapshot;
  return { index, revision, snapshot, listeners, pools, logNowMs: () => inputs.logNowMs() };
}

/** Every runtime that a table uses: what {@link RuntimeRegistry.sweep} must keep. */
export function runtimesOf(table: RoutingTable): Set<BackendRuntime> {
  const runtimes = new Set<BackendRuntime>();
  for (const pool of table.pools.values()) for (const backend of pool.backends) runtimes.add(backend.runtime);
  return runtimes;
}

function buildPool(spec: PoolSpec, registry: RuntimeRegistry, inputs: PickInputs): BackendPool {
  const backends = spec.backends.map((backend) => buildBackend(spec.name, backend, registry));
  return new BackendPool(spec, backends, { inputs, mark: registry.mark(spec.name) });
}

function buildBackend(pool: string, spec: BackendSpec, registry: RuntimeRegistry): Backend {
  const { id, host, port, slot } = spec;
  return { pool, id, host, port, slot, spec, runtime: registry.get(pool, spec) };
}

class CompiledListener implements ListenerTable {
  readonly spec: ListenerSpec;
  readonly #routes: readonly RouteTable[];
  readonly #byHost: RouteIndex;
  readonly #bySni: RouteIndex;
  readonly #proxies: CidrSet;
  readonly #proxyProtocolPeers: CidrSet;

  constructor(spec: ListenerSpec, pools: ReadonlyMap<string, Pool>) {
    this.spec = spec;
    this.#routes = spec.routes.map((route) => compileRoute(route, pools));
    this.#byHost = new RouteIndex(spec.routes, (route) => route.match.host);
    this.#bySni = new RouteIndex(spec.routes, (route) => route.match.sni);
    this.#proxies = new CidrSet(spec.trustedProxies);
    this.#proxyProtocolPeers = new CidrSet(spec.proxyProtocol.trusted);
  }

  matchHttp(
    host: string,
    path: string,
    method: string,
    header: (lowerName: string) => string | undefined,
  ): RouteTable | null {
    const position = this.#byHost.find(host, ({ match }) => {
      if (match.method !== null && match.method !== method) return false;
      if (!matchesPath(match, path)) return false;
      return match.headers.every(({ name, value }) => header(name.toLowerCase()) === value);
    });
    return this.#routes[position] ?? null;
  }

  matchSni(sni: string): RouteTable | null {
    return this.#routes[this.#bySni.find(sni, () => true)] ?? null;
  }

  trustsProxy(ip: string): boolean {
    return this.#proxies.has(ip);
  }

  trustsProxyProtocol(ip: string): boolean {
    return this.spec.proxyProtocol.accept && this.#proxyProtocolPeers.has(ip);
  }
}

function compileRoute(spec: RouteSpec, pools: ReadonlyMap<string, Pool>): RouteTable {
  if (spec.action.type !== 'pool') return { spec, pool: () => null };
  // A dangling name cannot pass validation; if one did, its share is simply not served here.
  const parts = spec.action.split
    .map(({ pool, weight }) => ({ pool: pools.get(pool), weight }))
    .filter((part): part is { pool: Pool; weight: number } => part.pool !== undefined && part.weight > 0);
  if (parts.length <= 1) return { spec, pool: () => parts[0]?.pool ?? null };
  const weights = parts.map((part) => part.weight);
  let source: () => number = () => 0;
  const chooser = weightedRandom(weights, () => source());
  return {
    spec,
    pool(random) {
      source = random;
      return parts[chooser.choose(0, null)]?.pool ?? null;
    },
  };
}
