/**
 * What each frame of a peer means for a connection and its streams. Answers an error code where the connection cannot go on.
 */
import { HEAD_MAX_BYTES } from '../limits.ts';
import type { FrameHeader, FrameSink } from './frame-reader.ts';
import { HeaderBlock } from './header-block.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { CONNECTION_WINDOW_BYTES } from './limits.ts';
import { CODE, FLAG, FRAME, STREAM_ID_MAX, WINDOW_MAX_BYTES } from './protocol.ts';
import type { FloodGuard } from './flood-guard.ts';
import type { OpenStreams } from './open-streams.ts';
import type { Outbound } from './outbound.ts';
import type { PeerSettings, Role } from './settings.ts';
import type { Http2Stream } from './stream.ts';

const OK: number = CODE.noError;

/** The connection, as the meaning of frames needs it. */
export interface FrameHost {
  readonly role: Role;
  readonly guard: FloodGuard;
  readonly out: Outbound;
  readonly peer: PeerSettings;
  readonly streams: OpenStreams<Http2Stream>;
  readonly isEnded: boolean;
  /** Whether a stream with this id was never opened. */
  isIdle(streamId: number): boolean;
  /** A stream of the peer's; null: refused, which it is told. */
  accept(streamId: number): Http2Stream | null;
  /** Something came for it: its user is told when all of this read was looked at. */
  touch(stream: Http2Stream): void;
  streamError(stream: Http2Stream, code: number): void;
  /** A connection error. */
  fail(code: number): void;
  resumeWaiting(): void;
  settled(): void;
  pong(): void;
  /** The peer takes no new streams, and did not look at those after `lastStreamId`. */
  goingAway(lastStreamId: number): void;
}

export class Inbound implements FrameSink {
  readonly #session: FrameHost;
  readonly #decoder = new HpackDecoder();
  readonly #block = new HeaderBlock();
  #isSettled = false;
  /** What we let the peer send, all streams together. */
  #windowBytes = CONNECTION_WINDOW_BYTES;

  constructor(session: FrameHost) {
    this.#session = session;
  }

  frameTooLarge(): void {
    this.#session.fail(CODE.frameSizeError);
  }

  frame(header: FrameHeader, buffer: Buffer, start: number, end: number): boolean {
    const code = this.#check(header) || this.#dispatch(header, buffer, start, end);
    if (code !== OK) this.#session.fail(code);
    return !this.#session.isEnded;
  }

  #check({ type, flags, streamId }: FrameHeader): number {
    // SETTINGS come first, and nothing comes between the frames of a header block.
    if (!this.#isSettled && (type !== FRAME.settings || (flags & FLAG.ack) !== 0)) return CODE.protocolError;
    const inBlock = this.#block.streamId !== 0;
    if (inBlock !== (type === FRAME.continuation)) return CODE.protocolError;
    if (inBlock && streamId !== this.#block.streamId) return CODE.protocolError;
    const ofConnection = type === FRAME.settings || type === FRAME.ping || type === FRAME.goaway;
    if (ofConnection) return streamId === 0 ? OK : CODE.protocolError;
    return streamId === 0 && type <= FRAME.pushPromise ? CODE.protocolError : OK;
  }

  #dispatch(header: FrameHeader, buffer: Buffer, start: number, end: number): number {
    const length = end - start;
    switch (header.type) {
      case FRAME.data:
        return this.#data(header, buffer, start, end);
      case FRAME.headers:
        return this.#headers(header, buffer, start, end);
      case FRAME.continuation:
        return this.#blockPart(header.flags, buffer, start, end);
      case FRAME.settings:
        return this.#settings(header.flags, buffer, start, end);
      case FRAME.windowUpdate:
        return length === 4 ? this.#windowUpdate(header.streamId, buffer.readUInt32BE(start)) : CODE.frameSizeError;
      case FRAME.rstStream:
        return length === 4 ? this.#rstStream(header.streamId, buffer.readUInt32BE(start)) : CODE.frameSizeError;
      case FRAME.ping:
        return length === 8 ? this.#ping(header.flags, buffer, start) : CODE.frameSizeError;
      case FRAME.goaway:
        return length >= 8 ? this.#goaway(buffer.readUInt32BE(start) & STREAM_ID_MAX) : CODE.frameSizeError;
      case FRAME.pushPromise:
        return CODE.protocolError;
      case FRAME.priority:
        return length === 5 ? this.#control() : CODE.frameSizeError;
      default:
        return this.#control();
    }
  }

  #control(): number {
    return this.#session.guard.control() ? OK : CODE.enhanceYourCalm;
  }

  #data({ flags, streamId }: FrameHeader, buffer: Buffer, start: number, end: number): number {
    const session = this.#session;
    let from = start;
    let to = end;
    if ((flags & FLAG.padded) !== 0) {
      if (from >= to) return CODE.protocolError;
      to -= buffer[from++] as number;
      if (to < from) return CODE.protocolError;
    }
    if (!this.#take(end - start)) return CODE.flowControlError;
    const endStream = (flags & FLAG.endStream) !== 0;
    if (to > from) session.guard.message();
    else if (!endStream && !session.guard.control()) return CODE.enhanceYourCalm;
    const stream = session.streams.get(streamId);
    if (stream === undefined) {
      if (session.isIdle(streamId)) return CODE.protocolError;
      // Under way while the stream was reset.
      return this.#control();
    }
    if (stream.remoteEnded) {
      session.streamError(stream, CODE.streamClosed);
      return OK;
    }
    session.touch(stream);
    const padding = end - start - (to - from);
    const fits = (to === from || stream.received(buffer, from, to)) && (padding === 0 || stream.discarded(padding));
    if (!fits) session.streamError(stream, CODE.flowControlError);
    else if (endStream && !stream.isClosed) stream.receivedEnd(() => stream.user.ended());
    return OK;
  }

  /** Given back on arrival: what holds up one stream is that stream's own window. */
  #take(bytes: number): boolean {
    this.#windowBytes -= bytes;
    if (this.#windowBytes < 0) return false;
    if (this.#windowBytes < CONNECTION_WINDOW_BYTES / 2) {
      this.#session.out.window(0, CONNECTION_WINDOW_BYTES - this.#windowBytes);
      this.#windowBytes = CONNECTION_WINDOW_BYTES;
    }
    return true;
  }

  #headers({ flags, streamId }: FrameHeader, buffer: Buffer, start: number, end: number): number {
    let from = start;
    let to = end;
    if ((flags & FLAG.padded) !== 0) {
      if (from >= to) return CODE.protocolError;
      to -= buffer[from++] as number;
    }
    if ((flags & FLAG.priority) !== 0) {
      if (to - from < 5) return CODE.protocolError;
      if ((buffer.readUInt32BE(from) & STREAM_ID_MAX) === streamId) return CODE.protocolError;
      from += 5;
    }
    if (to < from) return CODE.protocolError;
    const endStream = (flags & FLAG.endStream) !== 0;
    if ((flags & FLAG.endHeaders) !== 0) return this.#blockDone(streamId, endStream, buffer.subarray(from, to));
    this.#block.open(streamId, endStream);
    return this.#blockPart(flags, buffer, from, to);
  }

  #blockPart(flags: number, buffer: Buffer, start: number, end: number): number {
    const block = this.#block;
    if (!block.add(buffer, start, end)) return CODE.enhanceYourCalm;
    if ((flags & FLAG.endHeaders) === 0) return OK;
    const { streamId, endStream } = block;
    return this.#blockDone(streamId, endStream, block.close());
  }

  #blockDone(streamId: number, endStream: boolean, block: Buffer): number {
    // Whatever becomes of the stream: both tables must stay alike.
    const fields = this.#decoder.decode(block, 0, block.length, HEAD_MAX_BYTES);
    if (fields === null) return CODE.compressionError;
    const { tooLarge } = this.#decoder;
    const session = this.#session;
    const stream = session.streams.get(streamId) ?? this.#newStream(streamId);
    if (typeof stream === 'number') return stream;
    if (stream.remoteEnded) {
      session.streamError(stream, CODE.streamClosed);
      return OK;
    }
    session.guard.message();
    session.touch(stream);
    const { user } = stream;
    if (endStream) stream.receivedEnd(() => user.fields(fields, true, tooLarge));
    else user.fields(fields, false, tooLarge);
    return OK;
  }

  #newStream(streamId: number): Http2Stream | number {
    const session = this.#session;
    if (!session.isIdle(streamId)) return this.#control();
    if (session.role === 'client' || (streamId & 1) === 0) return CODE.protocolError;
    const stream = session.accept(streamId);
    if (stream !== null) return stream;
    return session.guard.reset() ? OK : CODE.enhanceYourCalm;
  }

  #settings(flags: number, buffer: Buffer, start: number, end: number): number {
    if ((flags & FLAG.ack) !== 0) return end === start ? OK : CODE.frameSizeError;
    const session = this.#session;
    if (!session.guard.control()) return CODE.enhanceYourCalm;
    this.#isSettled = true;
    const before = session.peer.initialWindowBytes;
    const code = session.peer.apply(buffer, start, end);
    if (code !== OK) return code;
    session.out.encoder.setPeerTableBytes(session.peer.headerTableBytes);
    session.out.settingsAck();
    const change = session.peer.initialWindowBytes - before;
    for (const stream of change === 0 ? [] : session.streams.all()) {
      stream.sendWindow += change;
      if (stream.sendWindow > WINDOW_MAX_BYTES) return CODE.flowControlError;
      stream.pump();
    }
    session.settled();
    return OK;
  }

  #windowUpdate(streamId: number, value: number): number {
    const session = this.#session;
    const bytes = value & WINDOW_MAX_BYTES;
    if (streamId === 0) {
      if (bytes === 0) return CODE.protocolError;
      session.out.windowBytes += bytes;
      if (session.out.windowBytes > WINDOW_MAX_BYTES) return CODE.flowControlError;
      session.resumeWaiting();
      return OK;
    }
    const stream = session.streams.get(streamId);
    if (stream === undefined) return session.isIdle(streamId) ? CODE.protocolError : OK;
    if (bytes === 0) {
      session.streamError(stream, CODE.protocolError);
      return this.#control();
    }
    stream.sendWindow += bytes;
    if (stream.sendWindow > WINDOW_MAX_BYTES) session.streamError(stream, CODE.flowControlError);
    else stream.pump();
    return OK;
  }

  #rstStream(streamId: number, code: number): number {
    const session = this.#session;
    const stream = session.streams.get(streamId);
    if (stream === undefined) return session.isIdle(streamId) ? CODE.protocolError : this.#control();
    stream.lost(code, code === CODE.refusedStream);
    // A backend may take back as much as it likes: it is us who asked.
    return session.role === 'client' || session.guard.reset() ? OK : CODE.enhanceYourCalm;
  }

  #ping(flags: number, buffer: Buffer, start: number): number {
    if ((flags & FLAG.ack) !== 0) {
      this.#session.pong();
      return OK;
    }
    if (!this.#session.guard.control()) return CODE.enhanceYourCalm;
    this.#session.out.pong(buffer, start);
    return OK;
  }

  #goaway(lastStreamId: number): number {
    this.#session.goingAway(lastStreamId);
    return OK;
  }
}
