/**
 * What is probed: one entry per backend of every pool, taken from the routing snapshot with everything that a probe
 * needs, so that the prober knows neither pools nor certificates.
 */
import type { HealthSpec, PoolSpec, RoutingSnapshot, UpstreamSpec } from '@flotilla/shared';

export interface ProbeTarget {
  readonly pool: string;
  readonly backend: string;
  readonly host: string;
  readonly port: number;
  readonly health: HealthSpec;
  readonly http2: boolean;
  readonly proxyProtocol: UpstreamSpec['proxyProtocol'];
  readonly tls: ProbeTls | null;
}

export interface ProbeTls {
  readonly verify: boolean;
  readonly serverName: string | null;
  readonly caPem: string | null;
  readonly certPem: string | null;
  readonly keyPem: string | null;
}

export interface ProbeResult {
  readonly ok: boolean;
  readonly latencyMs: number;
  /** A few words for people: `200`, `connection refused`, `no answer within 2000 ms`. */
  readonly detail: string;
}

/** `pool/backend`: unique, since names have no slash. */
export function targetKey(pool: string, backend: string): string {
  return `${pool}/${backend}`;
}

/** Everything in the snapshot that is to be probed. */
export function probeTargets(snapshot: RoutingSnapshot): ProbeTarget[] {
  return snapshot.pools
    .filter((pool) => pool.health.protocol !== 'none')
    .flatMap((pool) => poolTargets(pool, snapshot));
}

function poolTargets(pool: PoolSpec, snapshot: RoutingSnapshot): ProbeTarget[] {
  const tls = probeTls(pool, snapshot);
  return pool.backends.map((backend) => ({
    pool: pool.name,
    backend: backend.id,
    host: backend.host,
    port: pool.health.port ?? backend.port,
    health: pool.health,
    http2: pool.upstream.protocol !== 'http1',
    proxyProtocol: pool.upstream.proxyProtocol,
    tls,
  }));
}

function probeTls(pool: PoolSpec, snapshot: RoutingSnapshot): ProbeTls | null {
  const { tls } = pool.upstream;
  if (tls === null) return null;
  const certificate = (name: string | null) =>
    name === null ? undefined : snapshot.certificates.find((each) => each.name === name);
  const client = certificate(tls.clientCertificate);
  return {
    verify: tls.verify,
    serverName: tls.serverName,
    caPem: certificate(tls.ca)?.certPem ?? null,
    certPem: client?.certPem ?? null,
    keyPem: client?.keyPem ?? null,
  };
}
