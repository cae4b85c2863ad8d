/**
 * One client connection of HTTP/2: admits streams, watches their time, and ends with GOAWAY, so that what is under way is
 * finished and the client knows what was not begun.
 */
import type { ListenerTable } from '../config/table.ts';
import { clientCertificateField } from '../listeners/client-certificate-field.ts';
import { proxiedAddresses } from '../listeners/connection.ts';
import type { Accepted, ClientConnection } from '../listeners/connection.ts';
import type { ListenerStats } from '../metrics/stats-recorder.ts';
import { engineOf } from '../request/engine.ts';
import type { HttpEngine } from '../request/engine.ts';
import type { Timer } from '../thread/timers.ts';
import type { ProxiedAddresses } from '../upstream/user.ts';
import { CONCURRENT_STREAMS_MAX_COUNT, WATCH_MS } from './limits.ts';
import { CODE } from './protocol.ts';
import { ServerStream } from './server-stream.ts';
import type { StreamClient } from './server-stream.ts';
import { Http2Session } from './session.ts';
import type { SessionOwner } from './session.ts';
import type { Http2Stream, StreamUser } from './stream.ts';
import { receive } from '../wire/wire.ts';
import type { Wire } from '../wire/wire.ts';

export class Http2Connection implements ClientConnection, SessionOwner, StreamClient {
  readonly remoteAddress: string;
  readonly scheme: 'http' | 'https';
  readonly certificateField: string;
  readonly stats: ListenerStats;
  readonly engine: HttpEngine;
  readonly #accepted: Accepted;
  readonly #socket: Wire;
  readonly #session: Http2Session;
  readonly #watch: Timer;
  /** Since when no stream is open, by the coarse clock. */
  #idleSinceMs: number;

  constructor(accepted: Accepted) {
    const { socket, context, endpoints } = accepted;
    this.#accepted = accepted;
    this.#socket = socket;
    this.remoteAddress = endpoints.clientIp;
    this.scheme = accepted.tls === null ? 'http' : 'https';
    this.certificateField = clientCertificateField(accepted.tls);
    this.stats = accepted.listener.stats;
    this.engine = engineOf(context);
    this.#idleSinceMs = context.timers.nowMs;
    this.#session = new Http2Session(socket, 'server', { owner: this, nowMs: context.nowMs });
    this.#watch = context.timers.after(this.#watchMs(), () => this.#check());
    receive(socket, this);
    // A client that says no more has no use for what it did not finish; what it finished is still answered.
    socket.on('end', () => this.#session.peerEnded());
    // An error is always followed by `close`.
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#watch.cancel();
      this.#session.lost();
    });
    this.#session.start();
  }

  listener(): ListenerTable {
    return this.#accepted.listener.table();
  }

  addresses(): ProxiedAddresses {
    return proxiedAddresses(this.#accepted.endpoints);
  }

  /** Bytes of the client, lent for the call. */
  received(buffer: Buffer, length: number): void {
    this.#session.receive(length === buffer.length ? buffer : buffer.subarray(0, length));
  }

  // ---- the listener's wishes ----

  idle(): boolean {
    return this.#session.streams.size === 0;
  }

  close(): void {
    this.#session.goaway();
  }

  expire(): void {
    this.close();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  // ---- the session's events ----

  opened(stream: Http2Stream): StreamUser | null {
    if (this.#session.streams.size >= CONCURRENT_STREAMS_MAX_COUNT) {
      this.stats.error('too-many-streams');
      return null;
    }
    return new ServerStream(stream, this);
  }

  settled(): void {}

  released(): void {
    if (this.#session.streams.size === 0) this.#idleSinceMs = this.#accepted.context.timers.nowMs;
  }

  goingAway(): void {}

  pong(): void {}

  ended(code: number): void {
    if (code === CODE.enhanceYourCalm) this.stats.error('http2-flood');
    else if (code !== CODE.noError) this.stats.error('http2-protocol-error');
  }

  // ---- time ----

  #watchMs(): number {
    const { headerMs, idleMs, requestMs, tunnelMs } = this.listener().spec.timeouts;
    return Math.min(WATCH_MS, headerMs, idleMs, requestMs, tunnelMs);
  }

  #check(): void {
    const { timers } = this.#accepted.context;
    const { nowMs } = timers;
    const session = this.#session;
    for (const { user, isClosed } of session.streams.all())
      if (!isClosed && user instanceof ServerStream) user.checkTimeouts(nowMs);
    const { idleMs } = this.listener().spec.timeouts;
    const isIdle = session.streams.size === 0 && nowMs - this.#idleSinceMs >= idleMs;
    // A drain is said early: what the client sent before it knew is answered, what it sends after goes elsewhere.
    if (isIdle || this.#accepted.listener.closing()) session.goaway();
    if (!session.isEnded) timers.restart(this.#watch, this.#watchMs());
  }
}
