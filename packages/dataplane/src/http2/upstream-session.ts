/**
 * One HTTP/2 connection to a backend and the requests on it: connects, waits for the backend's settings, carries as many streams as
 * those allow, and is given up when the backend no longer answers.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { UpstreamSpec } from '@flotilla/shared';
import { FAULT } from '../http1/faults.ts';
import type { Fault } from '../http1/faults.ts';
import { Roster } from '../thread/roster.ts';
import type { Timer, Timers } from '../thread/timers.ts';
import type { Dialer } from '../upstream/dial.ts';
import { connectFault } from '../upstream/pool.ts';
import { proxyHeader } from '../upstream/proxy-header-out.ts';
import { PROBE_TIMEOUT_MS, UPSTREAM_STREAMS_DEFAULT_COUNT } from './limits.ts';
import { Http2Session } from './session.ts';
import type { SessionOwner } from './session.ts';
import type { Http2Stream, StreamUser } from './stream.ts';
import type { StreamCarrier, UpstreamStream } from './upstream-stream.ts';

export interface SessionPool {
  readonly timers: Timers;
  /** The backend could be reached. */
  reached(): void;
  /** For want of room, once the backend said how much it has. */
  place(stream: UpstreamStream, waited: boolean): void;
  gone(session: UpstreamSession): void;
}

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly dialer: Dialer;
}

export class UpstreamSession implements SessionOwner, StreamCarrier {
  readonly scheme: 'http' | 'https';
  /** By the coarse clock. */
  idleSinceMs: number;
  readonly #pool: SessionPool;
  readonly #spec: UpstreamSpec;
  readonly #socket: Socket;
  readonly #streams = new Roster<UpstreamStream>();
  readonly #connectTimeout: Timer;
  #session: Http2Session | null = null;
  #isReady = false;
  #isUsed = false;
  #isGone = false;
  #lastHeardMs: number;
  #probe: Timer | null = null;

  constructor(pool: SessionPool, target: Target) {
    const { timers } = pool;
    this.#pool = pool;
    this.#spec = target.dialer.spec;
    this.scheme = this.#spec.tls === null ? 'http' : 'https';
    this.idleSinceMs = timers.nowMs;
    this.#lastHeardMs = timers.nowMs;
    const socket = target.dialer.dial(target.host, target.port, {
      connected: () => this.#connected(),
      received: (buffer, length) => this.#received(buffer, length),
    });
    this.#socket = socket;
    this.#connectTimeout = timers.after(this.#spec.connectTimeoutMs, () => this.#lost(FAULT.connectTimeout));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#lost(connectFault(error, this.#spec)));
    socket.on('end', () => this.#lost(FAULT.connectFailure));
    socket.on('close', () => this.#lost(FAULT.connectFailure));
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  get isIdle(): boolean {
    return this.#streams.count === 0;
  }

  get takesStreams(): boolean {
    return this.#session?.takesStreams ?? !this.#isGone;
  }

  get allowsTunnels(): boolean {
    return this.#session?.peer.enableConnectProtocol ?? false;
  }

  get hasRoom(): boolean {
    if (!this.takesStreams) return false;
    // A PROXY header speaks for one client.
    if (this.#spec.proxyProtocol !== 'none') return !this.#isUsed && this.isIdle;
    const peerCount = this.#session?.peer.maxConcurrentStreams ?? UPSTREAM_STREAMS_DEFAULT_COUNT;
    return this.#streams.count < (this.#isReady ? peerCount : UPSTREAM_STREAMS_DEFAULT_COUNT);
  }

  /** `waited`: on another connection, so that its user has to be told. */
  add(stream: UpstreamStream, waited: boolean): void {
    this.#streams.add(stream);
    if (!this.#isReady) return;
    if (waited) stream.ready(this);
    else stream.carriedBy(this, this.#isUsed);
    this.#isUsed = true;
  }

  remove(stream: UpstreamStream): boolean {
    if (!this.#streams.remove(stream)) return false;
    if (!stream.isAnswered) this.#doubt();
    if (this.#streams.count === 0) this.idleSinceMs = this.#pool.timers.nowMs;
    if (this.#streams.count === 0 && this.#spec.proxyProtocol !== 'none') this.retire();
    return true;
  }

  open(user: StreamUser): Http2Stream {
    return (this.#session as Http2Session).open(user);
  }

  /** Takes no more and ends with its last stream. */
  retire(): void {
    if (this.#session === null) this.#lost(FAULT.connectFailure);
    else this.#session.goaway();
  }

  // ---- the socket ----

  #connected(): void {
    if (this.#isGone) return;
    const socket = this.#socket;
    if (socket instanceof TLSSocket && socket.alpnProtocol !== 'h2') {
      this.#lost(FAULT.unsupportedUpstream);
      return;
    }
    const addresses = this.#streams.all()[0]?.addresses() ?? null;
    if (this.#spec.proxyProtocol !== 'none' && addresses !== null)
      socket.write(proxyHeader(this.#spec.proxyProtocol, addresses), 'latin1');
    this.#session = new Http2Session(socket, 'client', { owner: this, nowMs: () => performance.now() });
    this.#session.start();
  }

  #received(buffer: Buffer, length: number): void {
    this.#lastHeardMs = this.#pool.timers.nowMs;
    this.#session?.receive(buffer.subarray(0, length));
  }

  #lost(fault: Fault): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#connectTimeout.cancel();
    this.#probe?.cancel();
    this.#pool.gone(this);
    this.#session?.lost();
    this.#socket.destroy();
    // Those that never got a stream: nothing was sent for them.
    for (const stream of this.#streams.all()) stream.connectFailed(fault);
  }

  // ---- the session's events ----

  opened(): StreamUser | null {
    return null;
  }

  settled(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    this.#isUsed = true;
    this.#connectTimeout.cancel();
    this.#pool.reached();
    const room = this.#session?.peer.maxConcurrentStreams ?? 0;
    const waiting = this.#streams.all();
    for (const stream of waiting.slice(room)) {
      this.#streams.remove(stream);
      this.#pool.place(stream, true);
    }
    for (const stream of waiting.slice(0, room)) stream.ready(this);
  }

  released(): void {}

  goingAway(): void {}

  pong(): void {
    this.#probe?.cancel();
    this.#probe = null;
  }

  ended(): void {
    if (this.#isGone) return;
    // Its streams were told; the socket says its last words, or is gone already.
    this.#pool.gone(this);
    this.#isGone = true;
    this.#connectTimeout.cancel();
    this.#probe?.cancel();
    for (const stream of this.#streams.all()) stream.connectFailed(FAULT.connectFailure);
  }

  /** A request was given up without a word of the backend: is anybody there? */
  #doubt(): void {
    const { timers } = this.#pool;
    const session = this.#session;
    if (
      session === null ||
      this.#isGone ||
      this.#probe !== null ||
      timers.nowMs - this.#lastHeardMs < PROBE_TIMEOUT_MS / 2
    )
      return;
    session.ping();
    this.#probe = timers.after(PROBE_TIMEOUT_MS, () => this.#lost(FAULT.upstreamTimeout));
  }
}
