/**
 * One HTTP/2 connection (RFC 9113), of either side: frames in, streams, frames out. It knows the protocol and its limits, not
 * requests, routes or backends.
 *
 * Every violation that could put the two sides at odds ends the connection with a GOAWAY; whatever a peer makes us do or hold is
 * bounded (`flood-guard.ts`, `limits.ts`).
 */
import { FloodGuard } from './flood-guard.ts';
import { FrameReader } from './frame-reader.ts';
import { Inbound } from './inbound.ts';
import type { FrameHost } from './inbound.ts';
import { CONNECTION_WINDOW_BYTES, GOAWAY_NOTICE_MS, OUTPUT_MAX_BYTES } from './limits.ts';
import { OpenStreams } from './open-streams.ts';
import { Outbound } from './outbound.ts';
import { CODE, PREFACE, STREAM_ID_MAX, WINDOW_DEFAULT_BYTES } from './protocol.ts';
import { PeerSettings } from './settings.ts';
import type { Role } from './settings.ts';
import { Http2Stream } from './stream.ts';
import type { StreamHost, StreamUser } from './stream.ts';
import type { Wire } from '../wire/wire.ts';

/** What a peer gets to read our last words before the socket is destroyed … */
const LINGER_MS = 1_000;
/** … and to take what was said before them, where it did nothing wrong. */
const TAKE_MAX_MS = 75_000;

export interface SessionOwner {
  /** Server: a client opens a stream. Null: refused. */
  opened(stream: Http2Stream): StreamUser | null;
  /** The peer's settings came, for the first time or anew. */
  settled(): void;
  /** A stream is over. */
  released(stream: Http2Stream): void;
  /** The peer takes no new streams. */
  goingAway(): void;
  pong(): void;
  /** Nothing more comes or goes; every stream was told. `code`: of the connection error that we found, 0 for none. */
  ended(code: number): void;
}

export class Http2Session implements FrameHost, StreamHost {
  readonly role: Role;
  readonly socket: Wire;
  readonly #owner: SessionOwner;
  readonly peer = new PeerSettings();
  readonly streams = new OpenStreams<Http2Stream>();
  readonly guard: FloodGuard;
  readonly out: Outbound;
  readonly #reader: FrameReader;
  readonly #touched: Http2Stream[] = [];
  #waiting: Http2Stream[] = [];
  #prefaceLeft: string;
  #lastPeerId = 0;
  #nextId = 1;
  #isLeaving = false;
  /** The one that says which streams were taken. */
  #sentGoaway = false;
  #receivedGoaway = false;
  #isEnded = false;

  constructor(socket: Wire, role: Role, around: { readonly owner: SessionOwner; readonly nowMs: () => number }) {
    this.role = role;
    this.socket = socket;
    this.#owner = around.owner;
    this.guard = new FloodGuard(around.nowMs);
    this.out = new Outbound(socket);
    this.#reader = new FrameReader(new Inbound(this));
    this.#prefaceLeft = role === 'server' ? PREFACE : '';
    socket.on('drain', () => this.resumeWaiting());
  }

  /** Says the first words. For a client the socket is connected by now. */
  start(): void {
    this.out.greet(this.role);
    this.out.window(0, CONNECTION_WINDOW_BYTES - WINDOW_DEFAULT_BYTES);
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** New streams of ours may be opened. */
  get takesStreams(): boolean {
    return !this.#receivedGoaway && !this.#sentGoaway && !this.#isEnded && this.#nextId < STREAM_ID_MAX;
  }

  /** A stream of ours. */
  open(user: StreamUser): Http2Stream {
    const stream = new Http2Stream(this.#nextId, this, this.peer.initialWindowBytes);
    stream.user = user;
    this.#nextId += 2;
    this.streams.add(stream);
    return stream;
  }

  /** A stream of the peer's; null: refused, which it is told. */
  accept(streamId: number): Http2Stream | null {
    // After our GOAWAY nothing is said: the client knows that it was not processed.
    if (this.#sentGoaway) return null;
    this.#lastPeerId = streamId;
    const stream = new Http2Stream(streamId, this, this.peer.initialWindowBytes);
    const user = this.#owner.opened(stream);
    if (user === null) {
      this.out.reset(streamId, CODE.refusedStream);
      return null;
    }
    stream.user = user;
    this.streams.add(stream);
    return stream;
  }

  /** Whether a stream with this id was never opened. */
  isIdle(streamId: number): boolean {
    const isOurs = (streamId & 1) === (this.role === 'client' ? 1 : 0);
    return isOurs ? streamId >= this.#nextId || this.role === 'server' : streamId > this.#lastPeerId;
  }

  /** Asks for a sign of life: `pong`. */
  ping(): void {
    if (!this.#isEnded) this.out.ping();
  }

  /**
   * No new streams; those that are open go on, and the connection ends with the last of them. A client is told first, and
   * what it sent before it knew is still taken (RFC 9113 §6.8): some of them do not send anew what GOAWAY says was not begun.
   */
  goaway(): void {
    if (this.#isLeaving || this.#isEnded) return;
    this.#isLeaving = true;
    if (this.role === 'client') {
      this.#takeNoMore();
      return;
    }
    this.out.goaway(STREAM_ID_MAX, CODE.noError);
    // Its answer comes behind all that was sent before the client knew.
    this.out.ping();
    setTimeout(() => this.#takeNoMore(), GOAWAY_NOTICE_MS).unref();
  }

  #takeNoMore(): void {
    if (this.#sentGoaway || this.#isEnded) return;
    this.#isLeaving = true;
    this.#sentGoaway = true;
    this.out.goaway(this.#lastPeerId, CODE.noError);
    if (this.streams.size === 0) this.#finish(CODE.noError);
  }

  /** A connection error of the peer's making, or, with `noError`, simply the end. */
  fail(code: number): void {
    if (this.#isEnded) return;
    this.out.goaway(this.#lastPeerId, code);
    this.#finish(code);
  }

  /** The socket is gone. */
  lost(): void {
    this.#end(CODE.noError);
  }

  /** The peer says no more: what it did not finish never will be; what it finished is still answered. */
  peerEnded(): void {
    for (const stream of this.streams.all()) if (!stream.remoteEnded) stream.lost(CODE.cancel, false);
    this.#takeNoMore();
  }

  /** FIN after what was written; the peer may take a moment to read it. */
  #finish(code: number): void {
    this.#end(code);
    this.out.flush();
    if (this.socket.destroyed) return;
    this.socket.end();
    this.#letGo(code === CODE.noError ? TAKE_MAX_MS : LINGER_MS);
  }

  #letGo(leftMs: number): void {
    setTimeout(() => {
      if (leftMs <= LINGER_MS || this.socket.writableLength === 0) this.socket.destroy();
      else if (!this.socket.destroyed) this.#letGo(leftMs - LINGER_MS);
    }, LINGER_MS).unref();
  }

  #end(code: number): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    for (const stream of this.streams.all()) stream.lost(CODE.cancel, false);
    this.streams.clear();
    this.#waiting = [];
    this.#owner.ended(code);
  }

  // ---- bytes in ----

  /** The bytes are looked at during the call only. */
  receive(chunk: Buffer): void {
    if (this.#isEnded) return;
    const frames = this.#prefaceLeft === '' ? chunk : this.#readPreface(chunk);
    if (frames === null) return;
    this.#reader.read(frames);
    for (const stream of this.#touched.splice(0)) {
      stream.isTouched = false;
      stream.user.flush();
    }
    if (this.out.pendingBytes <= OUTPUT_MAX_BYTES || this.#isEnded) return;
    // It makes us answer and does not read the answers.
    this.#end(CODE.enhanceYourCalm);
    this.socket.destroy();
  }

  #readPreface(chunk: Buffer): Buffer | null {
    const length = Math.min(chunk.length, this.#prefaceLeft.length);
    if (chunk.toString('latin1', 0, length) !== this.#prefaceLeft.slice(0, length)) {
      this.fail(CODE.protocolError);
      return null;
    }
    this.#prefaceLeft = this.#prefaceLeft.slice(length);
    return this.#prefaceLeft === '' ? chunk.subarray(length) : null;
  }

  /** Something came for it: its user is told when all of this read was looked at. */
  touch(stream: Http2Stream): void {
    if (stream.isTouched) return;
    stream.isTouched = true;
    this.#touched.push(stream);
  }

  settled(): void {
    this.#owner.settled();
  }

  pong(): void {
    if (this.role === 'server' && this.#isLeaving) this.#takeNoMore();
    else this.#owner.pong();
  }

  goingAway(lastStreamId: number): void {
    this.#receivedGoaway = true;
    this.#owner.goingAway();
    if (this.role === 'server') return;
    for (const stream of this.streams.all()) if (stream.id > lastStreamId) stream.lost(CODE.refusedStream, true);
  }

  streamError(stream: Http2Stream, code: number): void {
    this.out.reset(stream.id, code);
    stream.lost(code, false);
    this.offended();
  }

  /** A stream that a client makes us reset frees its place as one does that it resets itself (CVE-2025-8671), and counts as much. */
  offended(): void {
    if (this.role === 'server' && !this.guard.reset()) this.fail(CODE.enhanceYourCalm);
  }

  // ---- the streams' side ----

  sendHeaders(streamId: number, fields: readonly string[], endStream: boolean): void {
    this.out.headers(streamId, fields, endStream);
  }

  roomFor(wanted: number): number {
    return this.out.room(wanted);
  }

  sendData(streamId: number, span: { buffer: Buffer; start: number; end: number }, endStream: boolean): void {
    this.out.data(streamId, span, endStream);
  }

  sendReset(streamId: number, code: number): void {
    this.out.reset(streamId, code);
  }

  sendWindow(streamId: number, bytes: number): void {
    this.out.window(streamId, bytes);
  }

  wait(stream: Http2Stream): void {
    if (stream.isWaiting) return;
    stream.isWaiting = true;
    this.#waiting.push(stream);
  }

  /** There is room again: one frame for each that waits, in turn, until there is none. */
  resumeWaiting(): void {
    while (this.#waiting.length > 0 && this.out.room(1) > 0) {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const stream of waiting) {
        stream.isWaiting = false;
        stream.pump(1);
      }
    }
  }

  closed(stream: Http2Stream): void {
    if (!this.streams.remove(stream)) return;
    this.#owner.released(stream);
    if (this.#sentGoaway && this.streams.size === 0) this.#finish(CODE.noError);
  }
}
