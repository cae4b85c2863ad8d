/**
 * The connections of one proxy thread to one backend: idle ones on a stack (the last used is the least likely to be stale),
 * new ones when there is none, a bounded queue where the backend takes no more.
 *
 * It hangs on the backend's runtime and so outlives configuration changes; what is in flight when its backend is removed
 * finishes, then its connection closes.
 */
import { isDeepStrictEqual } from 'node:util';
import type { CertificateSpec, UpstreamSpec } from '@flotilla/shared';
import type { BackendRuntime } from '../config/table.ts';
import { FAULT } from '../http1/faults.ts';
import type { Fault } from '../http1/faults.ts';
import { UPSTREAM_IDLE_MAX_COUNT, UPSTREAM_SWEEP_MS } from '../limits.ts';
import type { Timers } from '../thread/timers.ts';
import { UpstreamConnection } from './connection.ts';
import type { ConnectionOwner } from './connection.ts';
import { Dialer } from './dial.ts';
import { proxyHeader } from './proxy-header-out.ts';
import type { Upstreams, UpstreamUser } from './user.ts';
import { WaitingQueue } from './waiting-queue.ts';

export interface UpstreamPoolOptions {
  readonly host: string;
  readonly port: number;
  readonly runtime: BackendRuntime;
  readonly timers: Timers;
}

export class UpstreamPool implements ConnectionOwner, Upstreams {
  /** An HTTP/1.0 server answered last time: it knows no 100 (Continue). */
  speaksHttp10 = false;
  readonly #options: UpstreamPoolOptions;
  #spec: UpstreamSpec;
  #certificates: readonly CertificateSpec[];
  #dialer: Dialer;
  #retired = false;
  #sweeping = false;
  readonly #idle: UpstreamConnection[] = [];
  readonly #queue: WaitingQueue;

  constructor(options: UpstreamPoolOptions, spec: UpstreamSpec, certificates: readonly CertificateSpec[]) {
    this.#options = options;
    this.#spec = spec;
    this.#certificates = certificates;
    this.#dialer = new Dialer(spec, certificates);
    const { runtime, timers } = options;
    const serve = (user: UpstreamUser) => user.assigned(this.#take(user, false));
    this.#queue = new WaitingQueue(spec, { runtime, timers, serve });
  }

  get idleCount(): number {
    return this.#idle.length;
  }

  get waitingCount(): number {
    return this.#queue.length;
  }

  /** Called for every request: a new table may bring new settings. Old connections are not used with new ones. */
  configure(spec: UpstreamSpec, certificates: readonly CertificateSpec[]): void {
    if (spec === this.#spec && certificates === this.#certificates) return;
    const same =
      isDeepStrictEqual(spec, this.#spec) && (spec.tls === null || isDeepStrictEqual(certificates, this.#certificates));
    this.#spec = spec;
    this.#queue.spec = spec;
    this.#certificates = certificates;
    if (same) return;
    this.#dialer = new Dialer(spec, certificates);
    this.#closeIdle();
  }

  acquire(user: UpstreamUser, fresh: boolean): UpstreamConnection | null {
    return this.#queue.admits(user) ? this.#take(user, fresh) : null;
  }

  #take(user: UpstreamUser, fresh: boolean): UpstreamConnection {
    const idle = fresh ? undefined : this.#idle.pop();
    if (idle === undefined) return this.#connect(user);
    this.#options.runtime.begin();
    idle.assign(user);
    return idle;
  }

  cancelWaiting(user: UpstreamUser): void {
    this.#queue.cancel(user);
  }

  /** By a connection whose user is done with it. */
  released(connection: UpstreamConnection): void {
    const { runtime, timers } = this.#options;
    runtime.end();
    if (this.#retired || this.#spec.proxyProtocol !== 'none' || this.#idle.length >= UPSTREAM_IDLE_MAX_COUNT) {
      this.#idle.push(connection);
      connection.destroy();
    } else {
      connection.idleSinceMs = timers.nowMs;
      this.#idle.push(connection);
      this.#sweepSoon();
    }
    this.#queue.serve();
  }

  /** By a connection that is gone. Those that were not idle were counted as in flight. */
  closed(connection: UpstreamConnection, wasIdle: boolean): void {
    if (wasIdle) {
      const at = this.#idle.lastIndexOf(connection);
      if (at >= 0) this.#idle.splice(at, 1);
      return;
    }
    this.#options.runtime.end();
    this.#queue.serve();
  }

  brokeUnanswered(): void {
    this.#closeIdle();
  }

  /** The backend left the configuration. */
  retire(): void {
    this.#retired = true;
    this.#closeIdle();
  }

  #closeIdle(): void {
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }

  #connect(user: UpstreamUser): UpstreamConnection {
    const { host, port, runtime, timers } = this.#options;
    const spec = this.#spec;
    runtime.begin();
    const socket = this.#dialer.dial(host, port, {
      connected() {
        timeout.cancel();
        if (runtime.suspectUntilMs !== 0) runtime.suspectUntilMs = 0;
        if (spec.proxyProtocol !== 'none')
          connection.out.text(proxyHeader(spec.proxyProtocol, user.proxiedAddresses()));
        connection.connected();
      },
      received: (buffer, length) => connection.received(buffer, length),
    });
    const timeout = timers.after(spec.connectTimeoutMs, () => connection.connectFailed(FAULT.connectTimeout));
    // Before the connection's own handlers: it would only know that the socket is lost.
    socket.once('error', (error: NodeJS.ErrnoException) => {
      timeout.cancel();
      connection.connectFailed(connectFault(error, spec));
    });
    const connection = new UpstreamConnection(this, socket, user);
    return connection;
  }

  /** One timer for the whole pool, and only while there is something to look after. */
  #sweepSoon(): void {
    if (this.#sweeping) return;
    this.#sweeping = true;
    this.#options.timers.after(UPSTREAM_SWEEP_MS, () => this.#sweep());
  }

  #sweep(): void {
    this.#sweeping = false;
    const oldest = this.#options.timers.nowMs - this.#spec.keepAliveMs;
    // The bottom of the stack is the longest idle.
    while (this.#idle.length > 0 && (this.#idle[0] as UpstreamConnection).idleSinceMs <= oldest)
      (this.#idle[0] as UpstreamConnection).destroy();
    if (this.#idle.length > 0) this.#sweepSoon();
  }
}

/** What an error before the connection was usable means. */
export function connectFault(error: NodeJS.ErrnoException, spec: UpstreamSpec): Fault {
  const isTcp = error.syscall === 'connect' || error.syscall === 'getaddrinfo';
  return spec.tls !== null && !isTcp ? FAULT.tlsFailure : FAULT.connectFailure;
}
