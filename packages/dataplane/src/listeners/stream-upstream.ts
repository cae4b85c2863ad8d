/**
 * A connection to a backend for a raw stream: chosen, tried, and tried elsewhere when it cannot be had. Nothing of the client's
 * bytes has been sent before it is established, so trying another backend is always safe.
 */
import { isIP } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls, createSecureContext } from 'node:tls';
import type { SecureContext, SecureContextOptions } from 'node:tls';
import type { CertificateSpec, PoolSpec } from '@flotilla/shared';
import type { Backend, Pool } from '../config/table.ts';
import { chooseByAddress, pickByAddress } from './choose-by-address.ts';
import { dialPlain } from '../wire/dial-plain.ts';
import type { Accepted } from './connection.ts';
import { SUSPECT_MS } from '../limits.ts';

export interface Upstream {
  readonly backend: Backend;
  readonly socket: Socket;
  /** Gets what comes from the backend, lent for the call. */
  receiver: (buffer: Buffer, length: number) => void;
}

/** Calls `done` once: with a connected upstream whose backend counts it as in flight, or with null. Answers a function that gives up. */
export function connectUpstream(accepted: Accepted, pool: Pool, done: (upstream: Upstream | null) => void): () => void {
  const { context, endpoints } = accepted;
  const pick = pickByAddress(endpoints.clientIp);
  let current: Socket | null = null;
  let cancelled = false;

  function attempt(): void {
    const backend = pick.tried.length > pool.spec.retry.attempts ? null : chooseByAddress(context, pool, pick);
    if (backend === null) {
      done(null);
      return;
    }
    pick.tried.push(backend);
    backend.runtime.begin();
    const upstream = dial(backend, pool.spec, context.table().snapshot.certificates);
    const { socket } = upstream;
    current = socket;
    const timer = context.timers.after(pool.spec.upstream.connectTimeoutMs, () => socket.destroy());
    const failed = (): void => {
      timer.cancel();
      backend.runtime.end();
      if (cancelled) return;
      backend.runtime.suspectUntilMs = context.nowMs() + SUSPECT_MS;
      backend.runtime.consecutiveErrors++;
      context.reportOutlier(backend);
      if (pick.tried.length <= pool.spec.retry.attempts) context.stats.retry(pool.spec.name, 'connect-failure');
      attempt();
    };
    socket.on('error', () => socket.destroy());
    socket.once('close', failed);
    socket.once(pool.spec.upstream.tls === null ? 'connect' : 'secureConnect', () => {
      timer.cancel();
      socket.off('close', failed);
      backend.runtime.consecutiveErrors = 0;
      socket.once('close', () => backend.runtime.end());
      done(upstream);
    });
  }

  attempt();
  return () => {
    cancelled = true;
    current?.destroy();
  };
}

type UpstreamTls = NonNullable<PoolSpec['upstream']['tls']>;

/** One per pool of a snapshot: reading certificates is not for every connection. */
const secureContexts = new WeakMap<PoolSpec, SecureContext>();

/** Unlike an HTTP upstream it names no protocol (ALPN is the two ends' own business) and keeps half-open streams. */
function dial(backend: Backend, spec: PoolSpec, certificates: readonly CertificateSpec[]): Upstream {
  const { tls } = spec.upstream;
  const received = (buffer: Buffer, length: number): void => upstream.receiver(buffer, length);
  const socket = tls === null ? dialPlain(backend, received) : dialTls(backend, spec, tls, certificates);
  if (tls !== null) socket.on('data', (chunk: Buffer) => received(chunk, chunk.length));
  const upstream: Upstream = { backend, socket, receiver: () => {} };
  return upstream;
}

function dialTls(backend: Backend, spec: PoolSpec, tls: UpstreamTls, certificates: readonly CertificateSpec[]): Socket {
  let secureContext = secureContexts.get(spec);
  if (secureContext === undefined) {
    secureContext = createSecureContext(material(tls, certificates));
    secureContexts.set(spec, secureContext);
  }
  const servername = tls.serverName ?? (isIP(backend.host) === 0 ? backend.host : '');
  const target = { host: backend.host, port: backend.port, allowHalfOpen: true };
  return connectTls({ ...target, secureContext, servername, rejectUnauthorized: tls.verify });
}

function material(tls: UpstreamTls, certificates: readonly CertificateSpec[]): SecureContextOptions {
  const named = (name: string | null) => certificates.find((certificate) => certificate.name === name);
  const ca = named(tls.ca);
  const own = named(tls.clientCertificate);
  return {
    ...(ca === undefined ? {} : { ca: ca.certPem }),
    ...(own === undefined ? {} : { cert: own.certPem, key: own.keyPem }),
  };
}
