/**
 * The HTTP/2 connections of one proxy thread to one backend: few, each shared by many requests. What counts as in flight, and waits
 * where the backend takes no more, is requests, as for HTTP/1.1.
 */
import { isDeepStrictEqual } from 'node:util';
import type { CertificateSpec, UpstreamSpec } from '@flotilla/shared';
import { UPSTREAM_SWEEP_MS } from '../limits.ts';
import type { Timers } from '../thread/timers.ts';
import { Dialer } from '../upstream/dial.ts';
import type { UpstreamPoolOptions } from '../upstream/pool.ts';
import type { Upstreams, UpstreamUser } from '../upstream/user.ts';
import { WaitingQueue } from '../upstream/waiting-queue.ts';
import { UpstreamSession } from './upstream-session.ts';
import type { SessionPool } from './upstream-session.ts';
import { UpstreamStream } from './upstream-stream.ts';
import type { StreamHome } from './upstream-stream.ts';

export class Http2Pool implements Upstreams, SessionPool, StreamHome {
  readonly speaksHttp10 = false;
  readonly #options: UpstreamPoolOptions;
  readonly #queue: WaitingQueue;
  #spec: UpstreamSpec;
  #certificates: readonly CertificateSpec[];
  #dialer: Dialer;
  #sessions: UpstreamSession[] = [];
  #sweeping = false;

  constructor(options: UpstreamPoolOptions, spec: UpstreamSpec, certificates: readonly CertificateSpec[]) {
    this.#options = options;
    this.#spec = spec;
    this.#certificates = certificates;
    this.#dialer = new Dialer(spec, certificates);
    const { runtime, timers } = options;
    this.#queue = new WaitingQueue(spec, { runtime, timers, serve: (user) => user.assigned(this.#take(user)) });
  }

  get timers(): Timers {
    return this.#options.timers;
  }

  get sessionCount(): number {
    return this.#sessions.length;
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
    this.retire();
  }

  acquire(user: UpstreamUser): UpstreamStream | null {
    return this.#queue.admits(user) ? this.#take(user) : null;
  }

  cancelWaiting(user: UpstreamUser): void {
    this.#queue.cancel(user);
  }

  /** What is open finishes. */
  retire(): void {
    const sessions = this.#sessions;
    this.#sessions = [];
    for (const session of sessions) if (session.isReady || session.isIdle) session.retire();
  }

  #take(user: UpstreamUser): UpstreamStream {
    this.#options.runtime.begin();
    const stream = new UpstreamStream(user, this);
    this.place(stream, false);
    return stream;
  }

  place(stream: UpstreamStream, waited: boolean): void {
    let session = this.#sessions.find((candidate) => candidate.isReady && candidate.hasRoom);
    session ??= this.#sessions.find((candidate) => candidate.hasRoom);
    if (session === undefined) {
      const { host, port } = this.#options;
      session = new UpstreamSession(this, { host, port, dialer: this.#dialer });
      this.#sessions.push(session);
      this.#sweepSoon();
    }
    stream.session = session;
    session.add(stream, waited);
  }

  left(stream: UpstreamStream): void {
    stream.session?.remove(stream);
    this.#options.runtime.end();
    this.#queue.serve();
  }

  reached(): void {
    const { runtime } = this.#options;
    if (runtime.suspectUntilMs !== 0) runtime.suspectUntilMs = 0;
  }

  gone(session: UpstreamSession): void {
    const at = this.#sessions.indexOf(session);
    if (at >= 0) this.#sessions.splice(at, 1);
  }

  /** One timer for all connections, and only while there are any. */
  #sweepSoon(): void {
    if (this.#sweeping) return;
    this.#sweeping = true;
    this.timers.after(UPSTREAM_SWEEP_MS, () => this.#sweep());
  }

  #sweep(): void {
    this.#sweeping = false;
    const oldest = this.timers.nowMs - this.#spec.keepAliveMs;
    for (const session of [...this.#sessions])
      if (session.isReady && session.isIdle && session.idleSinceMs <= oldest) session.retire();
    if (this.#sessions.length > 0) this.#sweepSoon();
  }
}
