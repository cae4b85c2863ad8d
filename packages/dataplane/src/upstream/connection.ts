/**
 * One connection to a backend: reads responses as strictly as requests are read, for one user at a time.
 *
 * What it never does is guess where a response ends: bytes that belong to no response close it, and so does a response
 * that was cut or malformed. It does not know clients, retries or routes.
 */
import type { Socket } from 'node:net';
import { HEAD_MAX_BYTES, INTERIM_MAX_COUNT } from '../limits.ts';
import { ChunkedDecoder } from '../http1/chunked-decoder.ts';
import { FAULT } from '../http1/faults.ts';
import type { Fault } from '../http1/faults.ts';
import { FIRST_LOOK_BYTES, giveResponseHead, takeResponseHead } from '../http1/head.ts';
import type { ResponseHead } from '../http1/head.ts';
import { DONE, MORE } from '../http1/parse-fields.ts';
import { parseResponse } from '../http1/parse-response.ts';
import { SocketWriter } from '../http1/socket-writer.ts';
import { wasOffered } from '../request/upgrade.ts';
import { writesOf } from '../wire/handle-writes.ts';
import type { BodyFraming, UpstreamHandle, UpstreamUser } from './user.ts';

const STATE = { connecting: 0, idle: 1, head: 2, body: 3, tunnel: 4, closed: 5 } as const;

/** Whoever keeps connections. */
export interface ConnectionOwner {
  speaksHttp10: boolean;
  /** Idle again. */
  released(connection: UpstreamConnection): void;
  /** A connection was lost before its response began. */
  brokeUnanswered(): void;
  /** Gone. */
  closed(connection: UpstreamConnection, wasIdle: boolean): void;
}

export class UpstreamConnection implements UpstreamHandle {
  readonly pool: ConnectionOwner;
  readonly socket: Socket;
  readonly out: SocketWriter;
  /** When it became idle, by the coarse clock. */
  idleSinceMs = 0;
  /** Requests that it carried before the present one. */
  requestCount = 0;
  #state: number = STATE.connecting;
  #user: UpstreamUser | null;
  #head: ResponseHead | null = null;
  #framing: BodyFraming = 'none';
  #bodyLeft = 0;
  #chunked: ChunkedDecoder | null = null;
  #reusable = false;
  #interims = 0;
  /** Whether any byte came since the present request began. */
  #answered = false;
  #paused = false;

  constructor(pool: ConnectionOwner, socket: Socket, user: UpstreamUser) {
    this.pool = pool;
    this.socket = socket;
    this.out = new SocketWriter(socket);
    this.#user = user;
    socket.on('end', () => this.#onEnd());
    socket.on('error', () => this.#lost());
    socket.on('close', () => this.#lost());
    socket.on('drain', () => this.#user?.upstreamDrain());
  }

  get isConnecting(): boolean {
    return this.#state === STATE.connecting;
  }

  pauseReading(): void {
    this.#paused = true;
    this.socket.pause();
  }

  resumeReading(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.socket.resume();
  }

  get #isTunnel(): boolean {
    return this.#state === STATE.tunnel;
  }

  get isReused(): boolean {
    return this.requestCount > 0;
  }

  get isAnswered(): boolean {
    return this.#answered;
  }

  /** The socket is connected (and its handshake done): the waiting user may send. */
  connected(): void {
    const user = this.#user;
    if (user === null || this.#state !== STATE.connecting) return;
    this.out.writeThrough(writesOf(this.socket));
    this.#begin();
    user.upstreamReady(this);
  }

  /** Gives an idle connection to the next user. */
  assign(user: UpstreamUser): void {
    this.#user = user;
    this.requestCount++;
    this.#begin();
  }

  /** The user has its whole response: back to the pool, or closed where another response could not be told from this one. */
  release(): void {
    this.#user = null;
    if (this.#state === STATE.closed) return;
    if (!this.#reusable) {
      this.destroy();
      return;
    }
    this.#state = STATE.idle;
    this.resumeReading();
    this.pool.released(this);
  }

  /** Drops the connection. Its user, if it still has one, is not told. */
  destroy(): void {
    this.#user = null;
    if (this.#state === STATE.closed) return;
    this.#close();
  }

  finish(): void {
    this.#user = null;
    if (this.#state === STATE.closed) return;
    this.#state = STATE.closed;
    this.out.end();
    this.socket.destroySoon();
    this.pool.closed(this, false);
  }

  #begin(): void {
    this.#state = STATE.head;
    this.#answered = false;
    this.#reusable = false;
    this.#interims = 0;
  }

  #close(): void {
    const wasIdle = this.#state === STATE.idle;
    this.#state = STATE.closed;
    if (this.#head !== null) giveResponseHead(this.#head);
    this.#head = null;
    this.out.discard();
    this.socket.destroy();
    this.pool.closed(this, wasIdle);
  }

  /** Called by whoever dialled; `buffer` is read into again afterwards. */
  received(buffer: Buffer, length: number): void {
    switch (this.#state) {
      case STATE.head:
        this.#answered = true;
        this.#readHead(buffer, length);
        break;
      case STATE.body:
        this.#readBody(buffer, 0, length);
        break;
      case STATE.tunnel:
        this.#user?.tunnelBytes(buffer, 0, length);
        return;
      case STATE.closed:
        return;
      default:
        // Nobody asked: whatever this answers, it is not the next request.
        this.#fail(FAULT.upstreamInvalid);
        return;
    }
    this.#user?.responseFlush();
  }

  #readHead(chunk: Buffer, length: number): void {
    let at = 0;
    while (at < length && this.#state === STATE.head) {
      const head = (this.#head ??= takeResponseHead());
      const look = head.raw === '' ? FIRST_LOOK_BYTES : HEAD_MAX_BYTES;
      const before = head.raw.length;
      const taken = Math.min(length - at, look);
      head.feed(chunk, at, at + taken);
      const result = parseResponse(head);
      if (result === MORE) {
        at += taken;
        continue;
      }
      if (result !== DONE) {
        this.#fail(FAULT.upstreamInvalid);
        return;
      }
      at += head.end - before;
      this.#headDone(head);
      if (this.#isTunnel && at < length) this.#user?.tunnelBytes(chunk, at, length);
      // Unless the connection was closed meanwhile, which gave the head back.
      if (this.#head === head) {
        this.#head = null;
        giveResponseHead(head);
      }
    }
    if (this.#state === STATE.body) this.#readBody(chunk, at, length);
  }

  #headDone(head: ResponseHead): void {
    const user = this.#user;
    if (user === null) return;
    if (head.status === 101) {
      if (!head.connectionUpgrade || !wasOffered(user.upgradeOffer, head.field('upgrade') ?? '')) {
        this.#fail(FAULT.upstreamInvalid);
        return;
      }
      this.#state = STATE.tunnel;
      user.switchedProtocols(head);
      return;
    }
    if (head.status < 200) {
      if (++this.#interims > INTERIM_MAX_COUNT) this.#fail(FAULT.upstreamInvalid);
      else user.interimResponse(head);
      return;
    }
    this.#framing = framingOf(head, user.method);
    this.#bodyLeft = this.#framing === 'length' ? head.contentLength : 0;
    // A 204 that announces content is about to send it: it would be read as the beginning of the next response.
    const isSound = this.#framing !== 'close' && (head.status !== 204 || head.contentLength <= 0);
    this.#reusable = isSound && !head.connectionClose && (head.minorVersion === 1 || head.connectionKeepAlive);
    this.#state = STATE.body;
    if (head.minorVersion === 0) this.pool.speaksHttp10 = true;
    const raw = user.responseHead(head, this.#framing);
    if (this.#framing === 'chunked') (this.#chunked ??= new ChunkedDecoder()).reset(raw);
  }

  #readBody(chunk: Buffer, start: number, length: number): void {
    const user = this.#user;
    if (user === null) return;
    let at = start;
    let trailers = '';
    let done = this.#framing === 'none';
    if (this.#framing === 'length') {
      const taken = Math.min(this.#bodyLeft, length - at);
      this.#bodyLeft -= taken;
      if (taken > 0) user.bodyBytes(chunk, at, at + taken);
      at += taken;
      done = this.#bodyLeft === 0;
    } else if (this.#framing === 'chunked') {
      const decoder = this.#chunked as ChunkedDecoder;
      at = decoder.decode(chunk, at, length, user);
      if (decoder.fault !== null) {
        this.#fail(FAULT.upstreamInvalid);
        return;
      }
      done = decoder.done;
      trailers = decoder.trailers;
    } else if (this.#framing === 'close') {
      if (length > at) user.bodyBytes(chunk, at, length);
      return;
    }
    if (!done) return;
    // Surplus bytes are not the next response.
    if (at < length) this.#reusable = false;
    user.responseEnd(trailers);
  }

  #onEnd(): void {
    if (this.#state === STATE.tunnel) {
      this.#user?.tunnelEnd();
    } else if (this.#state === STATE.body && this.#framing === 'close') {
      const user = this.#user;
      user?.responseEnd('');
      user?.responseFlush();
    } else this.#lost();
  }

  #lost(): void {
    // A close-delimited body ends with a FIN; anything else, such as a reset, cut it short.
    this.#fail(FAULT.upstreamReset);
  }

  #fail(fault: Fault): void {
    if (this.#state === STATE.closed) return;
    const user = this.#user;
    const state = this.#state;
    this.#user = null;
    this.#close();
    if (user === null) return;
    // One that broke instead of answering is rarely alone: the idle ones would fail the next requests the same way.
    if (state === STATE.head && fault === FAULT.upstreamReset) this.pool.brokeUnanswered();
    if (state === STATE.connecting) user.connectFailed(FAULT.connectFailure);
    else user.responseFailed(fault, state !== STATE.head);
  }

  /** Called by whoever dials, with a better reason than a lost socket. */
  connectFailed(fault: Fault): void {
    if (this.#state !== STATE.connecting) return;
    const user = this.#user;
    this.#user = null;
    this.#close();
    user?.connectFailed(fault);
  }
}

function framingOf(head: ResponseHead, method: string): BodyFraming {
  if (method === 'HEAD' || head.status === 204 || head.status === 304) return 'none';
  if (head.chunked) return 'chunked';
  return head.contentLength >= 0 ? 'length' : 'close';
}
