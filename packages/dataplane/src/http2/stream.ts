/**
 * One stream of an HTTP/2 connection, of either side: what waits to be sent, both flow control windows, which halves are over.
 *
 * Bounded both ways: toward the peer the source is paused when too much waits; from the peer no more comes than the window, which
 * is opened again only by what was passed on.
 */
import { STREAM_PENDING_BYTES, STREAM_WINDOW_BYTES } from './limits.ts';
import { CODE } from './protocol.ts';

/** Whoever reads from and writes to a stream. */
export interface StreamUser {
  /** A head or trailers, names and values in turn. */
  fields(fields: string[], endStream: boolean, tooLarge: boolean): void;
  /** Valid only during the call. */
  data(buffer: Buffer, start: number, end: number): void;
  /** The peer's half is over; not said where `fields` said it. */
  ended(): void;
  /** After each event that brought any of the above. */
  flush(): void;
  /** The stream is gone. `unprocessed`: the peer says that it did nothing with it. */
  reset(code: number, unprocessed: boolean): void;
  /** Less waits again than the source should be stopped for. */
  drained(): void;
}

/** The connection, as its streams see it. */
export interface StreamHost {
  sendHeaders(streamId: number, fields: readonly string[], endStream: boolean): void;
  /** How many of `wanted` bytes fit into one DATA frame now. */
  roomFor(wanted: number): number;
  sendData(streamId: number, span: { buffer: Buffer; start: number; end: number }, endStream: boolean): void;
  sendReset(streamId: number, code: number): void;
  sendWindow(streamId: number, bytes: number): void;
  /** The peer broke the rules within a stream. */
  offended(): void;
  /** The connection has no room, or it is another's turn: `pump` is called when it has. */
  wait(stream: Http2Stream): void;
  /** Both halves are over, or it was reset. */
  closed(stream: Http2Stream): void;
}

const EMPTY = Buffer.alloc(0);
/** Until somebody is there. */
const NOBODY: StreamUser = { fields() {}, data() {}, ended() {}, flush() {}, reset() {}, drained() {} };

interface Pending {
  buffer: Buffer;
  start: number;
  end: number;
  /** The buffer is read into again after this event. */
  isBorrowed: boolean;
}

export class Http2Stream {
  readonly id: number;
  readonly #host: StreamHost;
  user: StreamUser = NOBODY;
  /** What the peer lets us send. */
  sendWindow: number;
  isTouched = false;
  isWaiting = false;
  isClosed = false;
  remoteEnded = false;
  localEnded = false;
  #receiveWindow = STREAM_WINDOW_BYTES;
  /** Passed on since the peer was last told. */
  #consumed = 0;
  #pending: Pending[] = [];
  #pendingBytes = 0;
  #endRequested = false;
  #trailers: readonly string[] | null = null;
  #wasCongested = false;
  #paused = false;
  #held: Buffer[] = [];
  #heldEnd: (() => void) | null = null;
  #isAbandoned = false;

  constructor(id: number, host: StreamHost, sendWindow: number) {
    this.id = id;
    this.#host = host;
    this.sendWindow = sendWindow;
  }

  // ---- toward the peer ----

  get isCongested(): boolean {
    if (this.#pendingBytes <= STREAM_PENDING_BYTES) return false;
    this.#wasCongested = true;
    return true;
  }

  headers(fields: readonly string[], endStream: boolean): void {
    if (this.isClosed || this.localEnded) return;
    this.#host.sendHeaders(this.id, fields, endStream);
    if (endStream) this.#endLocal();
  }

  /** Sent with the next {@link pump}. */
  queue({ buffer, start, end, isBorrowed }: Readonly<Pending>): void {
    if (this.isClosed || end === start) return;
    this.#pending.push({ buffer, start, end, isBorrowed });
    this.#pendingBytes += end - start;
  }

  /** After what is queued; sent with the next {@link pump}. */
  end(trailers: readonly string[] | null = null): void {
    this.#endRequested = true;
    if (trailers !== null && trailers.length > 0) this.#trailers = trailers;
  }

  /** Sends what the windows allow, in at most `maxFrames`; what is borrowed and has to wait is copied. */
  pump(maxFrames: number = Infinity): void {
    for (let frames = 0; this.#pending.length > 0 && !this.isClosed; frames++) {
      const first = this.#pending[0] as Pending;
      const wanted = Math.min(first.end - first.start, this.sendWindow);
      if (wanted <= 0) break;
      const taken = frames < maxFrames ? this.#host.roomFor(wanted) : 0;
      if (taken === 0) {
        this.#host.wait(this);
        break;
      }
      this.#sendFrom(first, taken);
    }
    if (this.#pending.length === 0) this.#sendEnd();
    else this.#keepBorrowed();
    if (this.#wasCongested && this.#pendingBytes <= STREAM_PENDING_BYTES / 2) {
      this.#wasCongested = false;
      this.user.drained();
    }
  }

  #sendFrom(first: Pending, length: number): void {
    const { buffer, start } = first;
    first.start += length;
    this.sendWindow -= length;
    this.#pendingBytes -= length;
    if (first.start === first.end) this.#pending.shift();
    const isLast = this.#pending.length === 0 && this.#endRequested && this.#trailers === null;
    this.#host.sendData(this.id, { buffer, start, end: start + length }, isLast);
    if (isLast) this.#endLocal();
  }

  #sendEnd(): void {
    if (!this.#endRequested || this.localEnded || this.isClosed) return;
    if (this.#trailers === null) this.#host.sendData(this.id, { buffer: EMPTY, start: 0, end: 0 }, true);
    else this.#host.sendHeaders(this.id, this.#trailers, true);
    this.#endLocal();
  }

  #keepBorrowed(): void {
    for (const pending of this.#pending) {
      if (!pending.isBorrowed) continue;
      pending.buffer = Buffer.concat([pending.buffer.subarray(pending.start, pending.end)]);
      pending.end -= pending.start;
      pending.start = 0;
      pending.isBorrowed = false;
    }
  }

  #endLocal(): void {
    this.localEnded = true;
    if (this.remoteEnded) this.#close();
    else if (this.#isAbandoned) this.reset(CODE.noError);
  }

  /** Ends both halves at once, and tells the user as if the peer had done it. */
  abort(code: number): void {
    if (this.isClosed) return;
    this.#host.sendReset(this.id, code);
    this.lost(code, false);
  }

  /** Of a peer that broke the rules: said even where both halves are over. */
  condemn(): void {
    this.#host.sendReset(this.id, CODE.protocolError);
    this.#close();
    this.#host.offended();
  }

  /** Ends both halves at once. The user is not told. */
  reset(code: number): void {
    if (this.isClosed) return;
    this.#host.sendReset(this.id, code);
    this.#close();
  }

  // ---- from the peer ----

  /** False: more than the window allows. */
  received(buffer: Buffer, start: number, end: number): boolean {
    this.#receiveWindow -= end - start;
    if (this.#receiveWindow < 0) return false;
    if (this.#isAbandoned) return true;
    if (this.#paused) this.#held.push(Buffer.concat([buffer.subarray(start, end)]));
    else this.#deliver(buffer, start, end);
    return true;
  }

  /** Padding: it counts, and nobody will read it. */
  discarded(bytes: number): boolean {
    this.#receiveWindow -= bytes;
    if (this.#receiveWindow < 0) return false;
    this.#opened(bytes);
    return true;
  }

  #deliver(buffer: Buffer, start: number, end: number): void {
    this.user.data(buffer, start, end);
    this.#opened(end - start);
  }

  #opened(bytes: number): void {
    this.#consumed += bytes;
    if (this.#consumed < STREAM_WINDOW_BYTES / 2 || this.remoteEnded || this.isClosed) return;
    this.#host.sendWindow(this.id, this.#consumed);
    this.#receiveWindow += this.#consumed;
    this.#consumed = 0;
  }

  /** The peer's half is over: `tell` says so to the user, after what is held back. */
  receivedEnd(tell: () => void): void {
    this.remoteEnded = true;
    if (this.#paused && this.#held.length > 0) this.#heldEnd = tell;
    else tell();
    if (this.localEnded) this.#close();
  }

  /** Nobody needs the rest of the peer's half: once ours is sent the stream is over. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#held = [];
    this.#heldEnd = null;
    if (this.localEnded && !this.remoteEnded) this.reset(CODE.noError);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    while (this.#held.length > 0 && !this.#paused) {
      const buffer = this.#held.shift() as Buffer;
      this.#deliver(buffer, 0, buffer.length);
    }
    if (this.#held.length > 0) return;
    const tell = this.#heldEnd;
    this.#heldEnd = null;
    tell?.();
    this.user.flush();
  }

  /** The peer, or the end of the connection, took it away. */
  lost(code: number, unprocessed: boolean): void {
    if (this.isClosed) return;
    this.#close();
    this.user.reset(code, unprocessed);
  }

  #close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.localEnded = true;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#host.closed(this);
  }
}
