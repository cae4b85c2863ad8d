/**
 * What the control thread gives the proxy threads: one immutable picture of everything that decides where a request goes.
 *
 * Compiled from the replicated state by a pure function, so equal index means equal snapshot on every node. All
 * defaults are explicit here; nothing is optional "by absence" except what is null. Structured-clone-able.
 */

/** How a listener speaks with clients. `tls` is passthrough by SNI. */
export type ListenerProtocol = 'http' | 'https' | 'tcp' | 'tls' | 'udp';
export type Algorithm = 'round-robin' | 'least-connections' | 'p2c' | 'ewma' | 'random' | 'rendezvous' | 'maglev';
export type BackendState = 'enabled' | 'draining' | 'maintenance';
export type Verdict = 'up' | 'down' | 'unknown' | 'ejected';
export type HashSource =
  | { readonly on: 'source-ip' }
  | { readonly on: 'path' }
  | { readonly on: 'header' | 'cookie' | 'query'; readonly name: string };

export interface RoutingSnapshot {
  /** Applied log index that this picture was taken at. Rises. */
  readonly index: number;
  /** Index of the last configuration change. */
  readonly revision: number;
  /** Replicated time of `index`, ms since the epoch: what slow start and expiry are measured in. */
  readonly logTimeMs: number;
  readonly listeners: readonly ListenerSpec[];
  readonly pools: readonly PoolSpec[];
  readonly certificates: readonly CertificateSpec[];
  readonly settings: { readonly viaName: string; readonly affinityKey: string };
}

export interface ListenerSpec {
  readonly name: string;
  /** As configured; the node adds its port offset and its bind address. 1–65535. */
  readonly port: number;
  readonly protocol: ListenerProtocol;
  readonly tls: ListenerTls | null;
  readonly proxyProtocol: { readonly accept: boolean; readonly trusted: readonly string[] };
  /** CIDRs whose X-Forwarded-* fields are believed. */
  readonly trustedProxies: readonly string[];
  readonly maxConnections: number;
  readonly maxConnectionsPerClient: number;
  /** 0: no limit. */
  readonly maxConnectionAgeMs: number;
  readonly maxRequestBodyBytes: number;
  /** 0: no limit. */
  readonly maxResponseBodyBytes: number;
  readonly timeouts: {
    readonly headerMs: number;
    readonly idleMs: number;
    readonly requestMs: number;
    readonly tunnelMs: number;
    readonly udpIdleMs: number;
  };
  readonly accessLog: { readonly sampleRatio: number };
  /** Share of the requests without a trace context that one is started for. */
  readonly traceContext: { readonly startRatio: number };
  /** First match wins. tcp, tls and udp listeners: `match.sni` or an empty match only. */
  readonly routes: readonly RouteSpec[];
}

export interface ListenerTls {
  /** Names into `certificates`; the first is the default where no SNI matches. */
  readonly certificates: readonly string[];
  /** Certificate name whose certPem is the CA that client certificates must chain to. */
  readonly clientCa: string | null;
  readonly clientAuth: 'require' | 'optional';
  readonly minVersion: '1.2' | '1.3';
  readonly alpn: readonly ('h2' | 'http/1.1')[];
}

export interface RouteSpec {
  readonly match: {
    /** Exact host or `*.suffix`, lower case, no port. */
    readonly host: string | null;
    readonly pathPrefix: string | null;
    readonly path: string | null;
    readonly method: string | null;
    readonly headers: readonly { readonly name: string; readonly value: string }[];
    readonly sni: string | null;
  };
  readonly action:
    | { readonly type: 'pool'; readonly split: readonly { readonly pool: string; readonly weight: number }[] }
    | {
        readonly type: 'redirect';
        readonly scheme: 'http' | 'https' | null;
        readonly host: string | null;
        readonly path: string | null;
        readonly status: 301 | 302 | 303 | 307 | 308;
      };
  readonly rewrite: { readonly pathPrefix: string | null; readonly host: string | null };
  readonly headers: {
    readonly request: HeaderEdits;
    readonly response: HeaderEdits;
  };
}

export interface HeaderEdits {
  readonly set: readonly { readonly name: string; readonly value: string }[];
  readonly remove: readonly string[];
}

export interface PoolSpec {
  readonly name: string;
  readonly algorithm: Algorithm;
  readonly hash: HashSource;
  /** Rendezvous and maglev: cap of a backend's load in multiples of the mean; 0: none. */
  readonly boundedLoadRatio: number;
  readonly affinity: AffinitySpec | null;
  readonly health: HealthSpec;
  readonly outlier: OutlierSpec | null;
  readonly retry: RetrySpec;
  readonly slowStartMs: number;
  readonly failOpen: boolean;
  readonly upstream: UpstreamSpec;
  readonly backends: readonly BackendSpec[];
}

export interface AffinitySpec {
  readonly type: 'cookie' | 'source-ip' | 'header' | 'cookie-learn';
  /** Cookie or header name; '' for source-ip. */
  readonly name: string;
  readonly ttlMs: number;
  /** 503 rather than another backend when the pinned one cannot serve. */
  readonly strict: boolean;
}

export interface HealthSpec {
  readonly protocol: 'http' | 'tcp' | 'grpc' | 'none';
  readonly path: string;
  readonly method: string;
  readonly host: string | null;
  readonly expectStatus: readonly number[];
  readonly port: number | null;
  readonly timeoutMs: number;
  readonly intervalMs: number;
  readonly unhealthyAfter: number;
  readonly healthyAfter: number;
  readonly observers: 'majority' | 'any' | 'all';
}

export interface OutlierSpec {
  readonly consecutiveErrors: number;
  readonly baseEjectionMs: number;
  readonly maxEjectedRatio: number;
}

export interface RetrySpec {
  /** Tries after the first one. */
  readonly attempts: number;
  readonly on: readonly ('connect-failure' | 'reset' | 'timeout' | 502 | 503 | 504)[];
  readonly budgetRatio: number;
  readonly budgetMinCount: number;
}

export interface UpstreamSpec {
  readonly protocol: 'http1' | 'h2c' | 'h2';
  readonly tls: {
    readonly verify: boolean;
    readonly ca: string | null;
    readonly serverName: string | null;
    readonly clientCertificate: string | null;
  } | null;
  readonly proxyProtocol: 'none' | 'v1' | 'v2';
  readonly connectTimeoutMs: number;
  /** Wait for the response head; 0: bounded by the listener's requestMs only. */
  readonly responseTimeoutMs: number;
  /** Per backend and node; 0: no limit. */
  readonly maxConnections: number;
  readonly maxPending: number;
  readonly queueTimeoutMs: number;
  readonly keepAliveMs: number;
}

export interface BackendSpec {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  /** 0–1000; 0: no new work. */
  readonly weight: number;
  readonly state: BackendState;
  readonly verdict: Verdict;
  /** Log time at which it last became able to serve; slow start counts from here. */
  readonly upSinceMs: number;
  /** Lower is preferred; a higher number serves only when no lower one can. */
  readonly priority: number;
  readonly tags: Readonly<Record<string, string>>;
  /** Place in the shared memory of {@link SharedMemory}: stable while the backend exists. 0–65535. */
  readonly slot: number;
}

export interface CertificateSpec {
  readonly name: string;
  readonly certPem: string;
  /** '' for a CA bundle. */
  readonly keyPem: string;
}

/** The small change: one backend's numbers. Applied to the newest snapshot; a gap in `index` order cannot happen on one port. */
export interface BackendDelta {
  readonly pool: string;
  readonly id: string;
  readonly weight: number;
  readonly state: BackendState;
  readonly verdict: Verdict;
  readonly upSinceMs: number;
}
