/**
 * The control flow of a request: the only file that decides what happens next. It drives one exchange from the client's head to
 * the log line, between one client connection and the backends that are tried.
 *
 * The phases decide, the connections read and write; here stands the order, and what happens when either side fails.
 */
import { FAULT } from '../http1/faults.ts';
import type { Fault } from '../http1/faults.ts';
import type { RequestHead, ResponseHead } from '../http1/head.ts';
import { forwardableTrailers } from '../http1/trailers.ts';
import type { BodyFraming, ProxiedAddresses, UpstreamHandle, Upstreams, UpstreamUser } from '../upstream/user.ts';
import { chooseBackend } from './choose-backend.ts';
import type { ClientSide } from './client.ts';
import type { HttpEngine } from './engine.ts';
import { Exchange } from './exchange.ts';
import { requestHeadText } from './forward.ts';
import { log, observeLatency, recordOutcome } from './log.ts';
import { decide } from './phases.ts';
import { ReplayBuffer } from './replay-buffer.ts';
import { faultReply, replyText } from './reply.ts';
import type { Reply } from './reply.ts';
import { interimHeadText, mayPersist, responseHeadText, switchingHeadText, writeContent, writeEnd } from './respond.ts';
import { afterConnectFailure, afterFailure, afterRefusal, afterStale, retriesOnStatus } from './retry.ts';
import { upstreamPoolOf } from './upstream-pool-of.ts';

export class RequestPipeline implements UpstreamUser {
  readonly exchange: Exchange;
  readonly #client: ClientSide;
  readonly #engine: HttpEngine;
  readonly #replay = new ReplayBuffer();
  #active = false;
  #tunneled = false;
  #upstream: UpstreamHandle | null = null;
  /** The pool in whose queue this request waits. */
  #queuedAt: Upstreams | null = null;
  /** Coarse time of the backend's last byte, for the idle timeouts. */
  lastByteMs = 0;
  #responseTimer: { cancel(): void } | null = null;

  constructor(client: ClientSide, engine: HttpEngine) {
    this.#client = client;
    this.#engine = engine;
    this.exchange = new Exchange(client, engine);
  }

  /** From a request's head to its log line. */
  get isActive(): boolean {
    return this.#active;
  }

  get method(): string {
    return this.exchange.head.method;
  }

  get upgradeOffer(): string {
    const { upgradeRequested, head } = this.exchange;
    return upgradeRequested ? (head.field('upgrade') ?? '') : '';
  }

  proxiedAddresses(): ProxiedAddresses {
    return this.#client.addresses();
  }

  // ---- the client's side ----

  begin(head: RequestHead): void {
    const { exchange } = this;
    this.#active = true;
    this.#tunneled = false;
    this.#replay.reset();
    this.#engine.refreshViaName();
    exchange.begin(head);
    const reply = decide(exchange);
    if (reply !== null) return this.#reply(reply);
    if (exchange.pool !== null) this.#engine.budget(exchange.pool).request(this.#engine.context.timers.nowMs);
    this.#dispatch(false);
  }

  /** Valid only during the call, as all bytes from here. */
  requestBytes(buffer: Buffer, start: number, end: number): void {
    if (!this.#active) return;
    this.exchange.bytesIn += end - start;
    if (this.#upstream === null || this.#upstream.isConnecting) {
      this.#replay.hold(Buffer.from(buffer.subarray(start, end)));
      this.#client.pauseReading();
      return;
    }
    this.#upstream.out.copy(buffer, start, end);
    this.#replay.keep(buffer, start, end);
  }

  /** False: malformed trailers, nothing was done. */
  requestEnd(trailers: string): boolean {
    const { exchange } = this;
    if (exchange.head.chunked) {
      const text = forwardableTrailers(trailers, exchange.head.connectionNames);
      if (text === null) return false;
      if (this.#active) {
        if (this.#upstream === null || this.#upstream.isConnecting) this.#replay.hold(text);
        else {
          this.#upstream.out.text(text);
          this.#replay.keepText(text);
        }
      }
    }
    exchange.requestDone = true;
    return true;
  }

  /** After each event of the client: one write for all that it brought. */
  requestFlush(): void {
    const upstream = this.#upstream;
    if (upstream === null || upstream.isConnecting) return;
    upstream.out.flush();
    if (!this.exchange.requestDone && upstream.out.isCongested) this.#client.pauseReading();
  }

  /** The request cannot go on: its body broke the grammar or a limit, or took too long. */
  fail(fault: Fault): void {
    if (!this.#active) return;
    this.#dropUpstream();
    if (this.exchange.responseSent) this.#abort(fault.reason);
    else this.#reply(faultReply(fault));
  }

  /** The client is gone. */
  cancel(): void {
    if (!this.#active) return;
    if (this.#tunneled) this.#upstream?.finish();
    this.#dropUpstream();
    if (!this.#tunneled) this.exchange.reason = 'client-abort';
    this.#finish();
  }

  clientDrain(): void {
    this.#upstream?.resumeReading();
  }

  clientTunnelBytes(buffer: Buffer, start: number, end: number): void {
    const upstream = this.#upstream;
    if (upstream === null) return;
    this.exchange.bytesIn += end - start;
    upstream.out.copy(buffer, start, end);
    upstream.out.flush();
    if (upstream.out.isCongested) this.#client.pauseReading();
  }

  clientTunnelEnd(): void {
    this.#upstream?.out.end();
  }

  // ---- the backend's side ----

  assigned(connection: UpstreamHandle): void {
    this.#queuedAt = null;
    this.exchange.noteAssigned();
    this.#upstream = connection;
    if (!connection.isConnecting) this.upstreamReady(connection);
  }

  upstreamReady(connection: UpstreamHandle): void {
    this.#send(connection);
    connection.out.flush();
  }

  connectFailed(fault: Fault): void {
    this.#upstream = null;
    this.#queuedAt = null;
    const { exchange } = this;
    if (fault !== FAULT.queueFull && fault !== FAULT.queueTimeout) recordOutcome(exchange, true);
    const failedAt = exchange.backend;
    if (afterConnectFailure(exchange, fault) && chooseBackend(exchange) === null) return this.#again(false);
    exchange.backend = failedAt;
    this.#reply(faultReply(fault));
  }

  requestRefused(fault: Fault, goingAway: boolean): void {
    this.#upstream = null;
    this.#cancelResponseTimer();
    const { exchange } = this;
    const step = afterRefusal(exchange, goingAway, this.#replay);
    if (step === 'same' || (step === 'another' && chooseBackend(exchange) === null)) this.#again(true);
    else this.#reply(faultReply(fault));
  }

  responseFailed(fault: Fault, headSeen: boolean): void {
    const connection = this.#upstream;
    this.#upstream = null;
    const { exchange } = this;
    if (this.#tunneled) {
      this.#finish();
      this.#client.tunnelDone();
      return;
    }
    if (exchange.responseSent) {
      recordOutcome(exchange, true);
      this.#abort(fault.reason);
      return;
    }
    this.#client.out.discard();
    exchange.responded = false;
    if (connection !== null && !headSeen && afterStale(exchange, connection, this.#replay)) this.#again(true);
    else this.#tryAnother('reset', fault);
  }

  interimResponse(head: ResponseHead): void {
    const { exchange } = this;
    if (exchange.head.minorVersion === 0) return;
    if (head.status === 100 && !exchange.head.expectContinue) return;
    this.#client.out.text(interimHeadText(head));
  }

  responseHead(head: ResponseHead, framing: BodyFraming): boolean {
    const { exchange } = this;
    this.#cancelResponseTimer();
    const failed = head.status >= 500;
    recordOutcome(exchange, failed);
    if (failed && retriesOnStatus(head.status) && this.#retryStatus(head.status)) return true;
    if (framing === 'length' && exchange.isTooLong(head.contentLength))
      return this.#refuseResponse(FAULT.responseTooLarge);
    observeLatency(exchange);
    exchange.responded = true;
    this.#client.out.text(responseHeadText(exchange, head, framing));
    return exchange.responseFraming === 'chunked';
  }

  bodyBytes(buffer: Buffer, start: number, end: number): void {
    writeContent(this.exchange, buffer, start, end);
  }

  responseEnd(trailers: string): void {
    const { exchange } = this;
    const connection = this.#upstream;
    const fault = writeEnd(exchange, trailers);
    if (fault !== null) {
      this.#refuseResponse(fault);
      return;
    }
    this.responseFlush();
    this.#upstream = null;
    if (exchange.requestDone) connection?.release();
    else connection?.destroy();
    const keepAlive = exchange.responseKeepAlive && exchange.requestDone;
    this.#finish();
    this.#client.exchangeDone(keepAlive);
  }

  responseFlush(): void {
    const { out } = this.#client;
    if (out.isEmpty) return;
    if (this.exchange.isTooLong(this.exchange.responseBytes)) {
      this.#refuseResponse(FAULT.responseTooLarge);
      return;
    }
    this.lastByteMs = this.#engine.context.timers.nowMs;
    if (this.exchange.responded) this.exchange.responseSent = true;
    out.flush();
    if (out.isCongested) this.#upstream?.pauseReading();
  }

  switchedProtocols(head: ResponseHead): void {
    const { exchange } = this;
    this.#cancelResponseTimer();
    exchange.status = 101;
    exchange.responded = true;
    this.#tunneled = true;
    recordOutcome(exchange, false);
    this.#client.out.text(switchingHeadText(head));
    this.responseFlush();
    this.#client.startTunnel();
  }

  tunnelBytes(buffer: Buffer, start: number, end: number): void {
    this.#client.out.copy(buffer, start, end);
    this.responseFlush();
  }

  tunnelEnd(): void {
    this.#client.out.end();
  }

  upstreamDrain(): void {
    this.#client.resumeReading();
  }

  // ---- steps ----

  /** No answer that may be passed on. True, for `responseHead`. */
  #refuseResponse(fault: Fault): boolean {
    this.#dropUpstream();
    this.responseFailed(fault, true);
    return true;
  }

  #dispatch(fresh: boolean): void {
    const { exchange } = this;
    const { backend, pool } = exchange;
    if (backend === null || pool === null) return;
    const upstreams = upstreamPoolOf(backend, pool, this.#engine.context);
    if (exchange.head.expectContinue && upstreams.speaksHttp10) {
      this.#reply(faultReply(FAULT.expectation));
      return;
    }
    this.#queuedAt = upstreams;
    const connection = upstreams.acquire(this, fresh);
    if (connection === null) return;
    this.#queuedAt = null;
    exchange.noteAssigned();
    this.#upstream = connection;
    if (!connection.isConnecting) this.#send(connection);
  }

  /** Another try, outside of any event that would flush it. */
  #again(fresh: boolean): void {
    this.#dispatch(fresh);
    this.requestFlush();
  }

  #send(connection: UpstreamHandle): void {
    const { exchange } = this;
    connection.out.text(requestHeadText(exchange));
    this.#replay.writeTo(connection.out);
    const timeoutMs = exchange.pool?.spec.upstream.responseTimeoutMs ?? 0;
    if (timeoutMs > 0)
      this.#responseTimer = this.#engine.context.timers.after(timeoutMs, () => this.responseTimedOut());
    if (!exchange.requestDone) this.#client.resumeReading();
  }

  /** The backend took too long for its head. */
  responseTimedOut(): void {
    if (!this.#active || this.exchange.responded) return;
    this.#dropUpstream();
    this.#tryAnother('timeout', FAULT.upstreamTimeout);
  }

  #tryAnother(on: 'reset' | 'timeout', fault: Fault): void {
    const { exchange } = this;
    recordOutcome(exchange, true);
    if (afterFailure(exchange, on, this.#replay) && chooseBackend(exchange) === null) this.#again(false);
    else this.#reply(faultReply(fault));
  }

  #retryStatus(status: 502 | 503 | 504): boolean {
    const { exchange } = this;
    const { backend } = exchange;
    if (!afterFailure(exchange, status, this.#replay)) return false;
    if (chooseBackend(exchange) !== null) {
      // Nobody else is there: this answer is better than one of our own.
      exchange.backend = backend;
      return false;
    }
    this.#dropUpstream();
    this.#again(false);
    return true;
  }

  #reply(reply: Reply): void {
    const { exchange } = this;
    const client = this.#client;
    this.#dropUpstream();
    exchange.status = reply.status;
    exchange.reason = reply.reason;
    const keepAlive = mayPersist(exchange) && exchange.head.minorVersion === 1;
    client.out.text(replyText(reply, this.#engine.dateLine(), keepAlive, exchange.head.method !== 'HEAD'));
    client.out.flush();
    this.#finish();
    client.exchangeDone(keepAlive);
  }

  #abort(reason: string): void {
    this.exchange.reason = reason;
    this.#finish();
    this.#client.abort();
  }

  #dropUpstream(): void {
    this.#cancelResponseTimer();
    this.#queuedAt?.cancelWaiting(this);
    this.#queuedAt = null;
    const upstream = this.#upstream;
    this.#upstream = null;
    upstream?.destroy();
  }

  #cancelResponseTimer(): void {
    this.#responseTimer?.cancel();
    this.#responseTimer = null;
  }

  #finish(): void {
    this.#active = false;
    this.#cancelResponseTimer();
    log(this.exchange, this.#client.out.takeBytes());
    this.exchange.end();
    this.#replay.reset();
  }
}
