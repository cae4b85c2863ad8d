/**
 * Finds frames in the bytes of a socket. It knows their headers and their greatest length, not their meaning.
 */
import { FRAME_MAX_BYTES } from './limits.ts';
import { FRAME_HEADER_BYTES } from './protocol.ts';

export interface FrameSink {
  /** The payload is valid only during the call. False: read no further. */
  frame(header: FrameHeader, buffer: Buffer, start: number, end: number): boolean;
  frameTooLarge(): void;
}

export interface FrameHeader {
  type: number;
  flags: number;
  streamId: number;
}

export class FrameReader {
  readonly #sink: FrameSink;
  readonly #header: FrameHeader = { type: 0, flags: 0, streamId: 0 };
  /** Start of a frame whose end is not there yet: less than a frame's greatest length. */
  #rest: Buffer | null = null;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  read(chunk: Buffer): void {
    const rest = this.#rest;
    this.#rest = null;
    const buffer = rest === null ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (buffer.length - at >= FRAME_HEADER_BYTES) {
      const length = buffer.readUIntBE(at, 3);
      if (length > FRAME_MAX_BYTES) {
        this.#sink.frameTooLarge();
        return;
      }
      const start = at + FRAME_HEADER_BYTES;
      if (buffer.length - start < length) break;
      const header = this.#header;
      header.type = buffer[at + 3] as number;
      header.flags = buffer[at + 4] as number;
      header.streamId = buffer.readUInt32BE(at + 5) & 0x7fffffff;
      at = start + length;
      if (!this.#sink.frame(header, buffer, start, at)) return;
    }
    // A copy: a few bytes should not keep a whole read alive.
    if (at < buffer.length) this.#rest = Buffer.from(buffer.subarray(at));
  }
}
