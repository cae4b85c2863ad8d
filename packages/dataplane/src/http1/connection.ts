/**
 * One client connection of HTTP/1.0 or 1.1: finds requests in its bytes, gives them to the pipeline one after the other, and
 * ends the connection so that the last answer arrives.
 *
 * Strict (a malformed request ends the connection, nothing of it is forwarded) and cheap: no timer, closure or stream per
 * request. Listening, TLS and the PROXY header are done before; the frame hands over a socket with `allowHalfOpen`.
 */
import type { ListenerTable } from '../config/table.ts';
import { clientCertificateField } from '../listeners/client-certificate-field.ts';
import { proxiedAddresses } from '../listeners/connection.ts';
import type { Accepted, ClientConnection } from '../listeners/connection.ts';
import type { ListenerStats } from '../metrics/stats-recorder.ts';
import { HEAD_MAX_BYTES, LINGER_MAX_BYTES, LINGER_MAX_MS, PIPELINE_BUFFER_MAX_BYTES } from '../limits.ts';
import type { ClientSide } from '../request/client.ts';
import { engineOf } from '../request/engine.ts';
import { RequestPipeline } from '../request/pipeline.ts';
import { refuse } from '../request/reply.ts';
import type { DataplaneContext } from '../thread/context.ts';
import type { Timer } from '../thread/timers.ts';
import type { ProxiedAddresses } from '../upstream/user.ts';
import { receive } from '../wire/wire.ts';
import type { Wire } from '../wire/wire.ts';
import { ChunkedDecoder } from './chunked-decoder.ts';
import { exchangeTimeout, WATCH_MAX_MS, watchMs } from './exchange-timeout.ts';
import { FAULT } from './faults.ts';
import type { Fault } from './faults.ts';
import { FIRST_LOOK_BYTES, giveRequestHead, takeRequestHead } from './head.ts';
import type { RequestHead } from './head.ts';
import { DONE, MORE } from './parse-fields.ts';
import { parseRequest } from './parse-request.ts';
import { SocketWriter } from './socket-writer.ts';

const STATE = { head: 0, body: 1, response: 2, tunnel: 3, closing: 4, closed: 5 } as const;

export class Http1Connection implements ClientSide, ClientConnection {
  readonly out: SocketWriter;
  readonly remoteAddress: string;
  readonly scheme: 'http' | 'https';
  readonly certificateField: string;
  readonly stats: ListenerStats;
  readonly #socket: Wire;
  readonly #accepted: Accepted;
  readonly #context: DataplaneContext;
  readonly #pipeline: RequestPipeline;
  readonly #watch: Timer;
  #state: number = STATE.head;
  #head: RequestHead | null = null;
  #bodyLeft = 0;
  #chunked: ChunkedDecoder | null = null;
  /** Bytes behind the running request. */
  #rest: Buffer | null = null;
  #processing = false;
  #paused = false;
  #draining = false;
  #clientEnded = false;
  /** Bytes stood behind the request that was read last. */
  #isPipelined = false;
  /** Coarse time at which the present wait began: of the state, or of the last byte where bytes end the wait. */
  #sinceMs: number;
  #discardedBytes = 0;

  constructor(accepted: Accepted) {
    const { socket, context, endpoints } = accepted;
    this.#accepted = accepted;
    this.#socket = socket;
    this.#context = context;
    this.remoteAddress = endpoints.clientIp;
    this.scheme = accepted.tls === null ? 'http' : 'https';
    this.certificateField = clientCertificateField(accepted.tls);
    this.stats = accepted.listener.stats;
    this.out = new SocketWriter(socket);
    this.#pipeline = new RequestPipeline(this, engineOf(context));
    this.#sinceMs = context.timers.nowMs;
    this.#watch = context.timers.after(watchMs(this.listener().spec.timeouts), () => this.#check());
    receive(socket, this);
    socket.on('end', () => this.#onEnd());
    socket.on('drain', () => this.#onDrain());
    // Always followed by `close`.
    socket.on('error', () => {});
    socket.on('close', () => this.left());
  }

  listener(): ListenerTable {
    return this.#accepted.listener.table();
  }

  get isEnding(): boolean {
    // What a client sent before it said that it sends no more is still answered.
    const clientIsDone = this.#clientEnded && this.#rest === null && !this.#isPipelined;
    return this.#draining || clientIsDone || this.#accepted.listener.closing();
  }

  /** No request is running or being read. */
  idle(): boolean {
    return this.#state === STATE.head && this.#head === null;
  }

  addresses(): ProxiedAddresses {
    return proxiedAddresses(this.#accepted.endpoints);
  }

  /** Ends after the running request, at once where there is none. */
  close(): void {
    this.#draining = true;
    if (this.idle()) this.#startClosing();
  }

  /** Of age: the next answer is the last; without one it ends as an idle connection of a drain does. */
  expire(): void {
    this.#draining = true;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  // ---- the pipeline's wishes ----

  pauseReading(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
  }

  resumeReading(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#sinceMs = this.#context.timers.nowMs;
    this.#socket.resume();
  }

  exchangeDone(keepAlive: boolean): void {
    // RFC 9112 §9.6: who says `close` sends nothing after that request.
    const saidLast = this.#state === STATE.response && this.#rest === null && this.#head?.connectionClose === true;
    this.#giveHead();
    this.#sinceMs = this.#context.timers.nowMs;
    if (this.#state === STATE.closed) return;
    if (!keepAlive) {
      if (!saidLast || !this.#closeAtOnce()) this.#startClosing();
      return;
    }
    this.#state = STATE.head;
    if (this.#processing) return;
    if (this.#rest !== null) this.#processRest();
    else if (this.isEnding) this.#startClosing();
    if (this.#state === STATE.head) this.resumeReading();
  }

  abort(): void {
    this.#giveHead();
    // A reset, not an orderly end: a body without a length would look complete.
    this.out.handOver();
    if (this.scheme === 'http') this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  startTunnel(): void {
    this.#giveHead();
    this.#state = STATE.tunnel;
    this.#sinceMs = this.#context.timers.nowMs;
    this.resumeReading();
    if (this.#rest !== null) this.#processRest();
    else if (this.#clientEnded) this.#pipeline.clientTunnelEnd();
  }

  tunnelDone(): void {
    this.#startClosing();
  }

  // ---- events of the socket ----

  /** Lent for the call. */
  received(buffer: Buffer, length: number): void {
    if (this.#state === STATE.response || this.#state === STATE.tunnel) {
      this.#keep(buffer, 0, length);
      return;
    }
    if (this.#state >= STATE.closing) {
      this.#discardedBytes += length;
      if (this.#discardedBytes > LINGER_MAX_BYTES) this.#socket.destroy();
      return;
    }
    if (this.#head === null || this.#state === STATE.body) this.#sinceMs = this.#context.timers.nowMs;
    if (this.#rest === null) this.#process(buffer, length);
    else {
      this.#hold(buffer, 0, length);
      this.#processRest();
    }
  }

  #hold(buffer: Buffer, start: number, end: number): void {
    const bytes = buffer.subarray(start, end);
    this.#rest = this.#rest === null ? Buffer.from(bytes) : Buffer.concat([this.#rest, bytes]);
    if (this.#rest.length > PIPELINE_BUFFER_MAX_BYTES) this.pauseReading();
  }

  #processRest(): void {
    const rest = this.#rest;
    if (rest === null) return;
    this.#rest = null;
    this.#process(rest, rest.length);
  }

  #process(buffer: Buffer, length: number): void {
    this.#processing = true;
    let at = 0;
    while (at < length && this.#state <= STATE.body && !(this.#state === STATE.head && this.out.isCongested))
      at = this.#state === STATE.head ? this.#readHead(buffer, at, length) : this.#readBody(buffer, at, length);
    this.#processing = false;
    if (at < length) this.#keep(buffer, at, length);
    this.#pipeline.requestFlush();
    if (this.#clientEnded) this.#cutOff();
    else if (this.idle() && this.isEnding) this.#startClosing();
  }

  #keep(buffer: Buffer, start: number, end: number): void {
    if (this.#state <= STATE.response) this.#hold(buffer, start, end);
    if (this.#state !== STATE.tunnel) return;
    this.#sinceMs = this.#context.timers.nowMs;
    this.#pipeline.clientTunnelBytes(buffer, start, end);
  }

  #readHead(buffer: Buffer, start: number, length: number): number {
    const head = (this.#head ??= takeRequestHead());
    const before = head.raw.length;
    const taken = Math.min(length - start, before === 0 ? FIRST_LOOK_BYTES : HEAD_MAX_BYTES);
    head.feed(buffer, start, start + taken);
    const result = parseRequest(head);
    if (result === MORE) {
      this.#watchSoon();
      return start + taken;
    }
    if (result !== DONE) {
      this.#reject(head.fault ?? FAULT.badRequestLine);
      return length;
    }
    if (head.chunked) (this.#chunked ??= new ChunkedDecoder()).reset(true);
    this.#bodyLeft = head.contentLength;
    // Before the pipeline runs: it may answer, and so end the request, at once.
    this.#state = head.chunked || head.contentLength > 0 ? STATE.body : STATE.response;
    const end = start + head.end - before;
    this.#isPipelined = end < length;
    this.#pipeline.begin(head);
    return end;
  }

  #readBody(buffer: Buffer, start: number, length: number): number {
    if (this.#head?.chunked !== true) {
      const end = start + Math.min(this.#bodyLeft, length - start);
      this.#bodyLeft -= end - start;
      this.#isPipelined = end < length;
      this.#pipeline.requestBytes(buffer, start, end);
      if (this.#bodyLeft === 0) this.#requestEnd('');
      return end;
    }
    const decoder = this.#chunked as ChunkedDecoder;
    const at = decoder.decode(buffer, start, length, this);
    this.#isPipelined = at < length;
    const { maxRequestBodyBytes } = this.listener().spec;
    if (decoder.fault !== null) this.#failBody(decoder.fault);
    else if (maxRequestBodyBytes > 0 && decoder.contentBytes > maxRequestBodyBytes) this.#failBody(FAULT.bodyTooLarge);
    else if (decoder.done) this.#requestEnd(decoder.trailers);
    else return at;
    return this.#state === STATE.response || this.#state === STATE.head ? at : length;
  }

  /** From the decoder: a span of the chunked body. */
  bodyBytes(buffer: Buffer, start: number, end: number): void {
    this.#pipeline.requestBytes(buffer, start, end);
  }

  #requestEnd(trailers: string): void {
    if (!this.#pipeline.requestEnd(trailers)) {
      this.#failBody(FAULT.badTrailer);
      return;
    }
    if (this.#state === STATE.body) this.#state = STATE.response;
  }

  #failBody(fault: Fault): void {
    this.#pipeline.fail(fault);
    this.#startClosing();
  }

  #onEnd(): void {
    this.#clientEnded = true;
    this.#cutOff();
  }

  /** No more will come: whatever is only half there never will be whole. */
  #cutOff(): void {
    if (this.#rest !== null) return;
    if (this.#state === STATE.body) this.#failBody(FAULT.incomplete);
    else if (this.#state === STATE.tunnel) this.#pipeline.clientTunnelEnd();
    else if (this.#state === STATE.closing) this.#socket.destroySoon();
    else if (this.#head !== null && this.#state === STATE.head) this.#reject(FAULT.incomplete);
    else if (this.#state === STATE.head) this.#startClosing();
  }

  #onDrain(): void {
    this.#sinceMs = this.#context.timers.nowMs;
    this.#pipeline.clientDrain();
    if (this.#state === STATE.head) this.#processRest();
  }

  /** The socket is gone, or another protocol has it now. */
  left(): void {
    if (this.#state === STATE.closed) return;
    this.#state = STATE.closed;
    this.#watch.cancel();
    this.#rest = null;
    this.#pipeline.cancel();
    this.#giveHead();
  }

  // ---- ends ----

  /** A request that is none: answered, never forwarded, and the last on this connection. */
  #reject(fault: Fault): void {
    refuse(this, fault, engineOf(this.#context).dateLine());
    this.#giveHead();
    this.#startClosing();
  }

  /** Says FIN, then reads on for a while: closing with unread bytes would reset the connection and lose the answer. */
  #startClosing(): void {
    if (this.#state >= STATE.closing) return;
    this.#state = STATE.closing;
    this.#sinceMs = this.#context.timers.nowMs;
    this.#rest = null;
    this.#giveHead();
    this.out.end();
    if (this.#clientEnded) this.#socket.destroySoon();
    else {
      this.resumeReading();
      this.#watchSoon();
    }
  }

  /** Nothing is left to be read that would turn the close into a reset; false where something is left to be written. */
  #closeAtOnce(): boolean {
    this.out.flush();
    this.out.handOver();
    if (this.scheme !== 'http' || !this.out.isDelivered) return false;
    this.#state = STATE.closing;
    this.#socket.destroy();
    return true;
  }

  #giveHead(): void {
    const head = this.#head;
    this.#head = null;
    if (head !== null) giveRequestHead(head);
  }

  // ---- timeouts ----

  #watchSoon(): void {
    if (this.#watch.deadlineMs === Infinity && this.#state !== STATE.closed)
      this.#context.timers.restart(this.#watch, watchMs(this.listener().spec.timeouts));
  }

  #check(): void {
    const { nowMs } = this.#context.timers;
    const { headerMs, idleMs, tunnelMs } = this.listener().spec.timeouts;
    const waitedMs = nowMs - this.#sinceMs;
    switch (this.#state) {
      case STATE.head:
        if (this.#head === null) {
          // Not at once: a request that is on its way gets its answer, with `Connection: close`.
          if (waitedMs >= idleMs || (this.isEnding && waitedMs >= WATCH_MAX_MS)) this.#startClosing();
        } else if (waitedMs >= headerMs) this.#reject(FAULT.timeout);
        break;
      case STATE.body:
      case STATE.response:
        this.#checkExchange(nowMs);
        break;
      case STATE.tunnel:
        if (nowMs - Math.max(this.#sinceMs, this.#pipeline.lastByteMs) >= tunnelMs) this.destroy();
        break;
      default:
        // What the client has not taken yet is still its answer.
        if (waitedMs >= (this.out.isDelivered ? LINGER_MAX_MS : idleMs)) this.destroy();
    }
    if (this.#state !== STATE.closed)
      this.#context.timers.restart(this.#watch, Math.min(watchMs(this.listener().spec.timeouts), LINGER_MAX_MS));
  }

  #checkExchange(nowMs: number): void {
    const { exchange, lastByteMs } = this.#pipeline;
    const readsBody = this.#state === STATE.body && !this.#paused;
    const wait = { nowMs, clientSinceMs: this.#sinceMs, backendSinceMs: lastByteMs, readsBody };
    const fault = exchangeTimeout(exchange, wait);
    if (fault === null) return;
    if (this.#state === STATE.body) this.#failBody(fault);
    else this.#pipeline.fail(fault);
  }
}
