/** Routing snapshots for tests, complete and with the defaults of the contract: say only what the test is about. */
import type { BackendSpec, ListenerSpec, PoolSpec, RouteSpec, RoutingSnapshot } from '@flotilla/shared';

export function backendSpec(id: string, spec: Partial<BackendSpec> = {}): BackendSpec {
  return {
    id,
    host: '127.0.0.1',
    port: 9100,
    weight: 100,
    state: 'enabled',
    verdict: 'up',
    upSinceMs: 0,
    priority: 0,
    tags: {},
    slot: 0,
    ...spec,
  };
}

export function poolSpec(name: string, spec: Partial<PoolSpec> = {}): PoolSpec {
  return {
    name,
    algorithm: 'round-robin',
    hash: { on: 'source-ip' },
    boundedLoadRatio: 0,
    affinity: null,
    health: {
      protocol: 'none',
      path: '/ready',
      method: 'GET',
      host: null,
      expectStatus: [200],
      port: null,
      timeoutMs: 2_000,
      intervalMs: 5_000,
      unhealthyAfter: 2,
      healthyAfter: 2,
      observers: 'majority',
    },
    outlier: null,
    retry: { attempts: 2, on: ['connect-failure'], budgetRatio: 0.2, budgetMinCount: 3 },
    slowStartMs: 0,
    failOpen: false,
    upstream: {
      protocol: 'http1',
      tls: null,
      proxyProtocol: 'none',
      connectTimeoutMs: 2_000,
      responseTimeoutMs: 0,
      maxConnections: 0,
      maxPending: 0,
      queueTimeoutMs: 1_000,
      keepAliveMs: 60_000,
    },
    backends: [],
    ...spec,
  };
}

export function routeTo(pool: string, match: Partial<RouteSpec['match']> = {}): RouteSpec {
  return {
    match: { host: null, pathPrefix: null, path: null, method: null, headers: [], sni: null, ...match },
    action: { type: 'pool', split: [{ pool, weight: 1 }] },
    rewrite: { pathPrefix: null, host: null },
    headers: { request: { set: [], remove: [] }, response: { set: [], remove: [] } },
  };
}

export function listenerSpec(name: string, spec: Partial<ListenerSpec> = {}): ListenerSpec {
  return {
    name,
    port: 8080,
    protocol: 'http',
    tls: null,
    proxyProtocol: { accept: false, trusted: [] },
    trustedProxies: [],
    maxConnections: 20_000,
    maxConnectionsPerClient: 0,
    maxConnectionAgeMs: 0,
    maxRequestBodyBytes: 0,
    maxResponseBodyBytes: 0,
    timeouts: { headerMs: 10_000, idleMs: 75_000, requestMs: 60_000, tunnelMs: 3_600_000, udpIdleMs: 30_000 },
    accessLog: { sampleRatio: 0 },
    traceContext: { startRatio: 0 },
    routes: [routeTo('app')],
    ...spec,
  };
}

export function routingSnapshot(snapshot: Partial<RoutingSnapshot> = {}): RoutingSnapshot {
  return {
    index: 1,
    revision: 1,
    logTimeMs: 1_700_000_000_000,
    listeners: [],
    pools: [],
    certificates: [],
    settings: { viaName: 'flotilla', affinityKey: 'a key for tests' },
    ...snapshot,
  };
}
