/**
 * A connection to a backend for a raw stream: chosen, tried, and tried elsewhere when it cannot be had. Nothing of the client's
 * bytes has been sent before it is established, so trying another backend is always safe.
 */
import type { Socket } from 'node:net';
import type { CertificateSpec, PoolSpec } from '@flotilla/shared';
import type { Backend, PickContext, Pool } from '../config/table.ts';
import type { Accepted } from './connection.ts';
import { SUSPECT_MS } from '../limits.ts';
import { Dialer } from '../upstream/dial.ts';

export interface Upstream {
  readonly backend: Backend;
  readonly socket: Socket;
}

/** Calls `done` once: with a connected upstream whose backend counts it as in flight, or with null. Answers a function that gives up. */
export function connectUpstream(accepted: Accepted, pool: Pool, done: (upstream: Upstream | null) => void): () => void {
  const { context, endpoints } = accepted;
  const pick: PickContext = { clientIp: endpoints.clientIp, path: '', query: '', header: () => undefined, tried: [] };
  let current: Socket | null = null;
  let cancelled = false;

  function attempt(): void {
    const backend = pick.tried.length > pool.spec.retry.attempts ? null : pool.pick(pick);
    if (backend === null) {
      done(null);
      return;
    }
    pick.tried.push(backend);
    backend.runtime.begin();
    const dialer = dialerOf(pool.spec, context.table().snapshot.certificates);
    const socket = dialer.dial(backend.host, backend.port, () => {
      timer.cancel();
      socket.off('close', failed);
      backend.runtime.consecutiveErrors = 0;
      socket.once('close', () => backend.runtime.end());
      done({ backend, socket });
    });
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
  }

  attempt();
  return () => {
    cancelled = true;
    current?.destroy();
  };
}

/** One per pool of a snapshot: it keeps the TLS context. */
const dialers = new WeakMap<PoolSpec, Dialer>();

function dialerOf(spec: PoolSpec, certificates: readonly CertificateSpec[]): Dialer {
  let dialer = dialers.get(spec);
  if (dialer === undefined) {
    dialer = new Dialer(spec.upstream, certificates);
    dialers.set(spec, dialer);
  }
  return dialer;
}
