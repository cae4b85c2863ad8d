/**
 * Everything that one side of a connection says: frames of each kind, written into the output in the order of the calls, within
 * the window of the connection.
 */
import type { Wire } from '../wire/wire.ts';
import { HEAD_MAX_BYTES } from '../limits.ts';
import { FrameOutput } from './frame-output.ts';
import { HpackEncoder } from './hpack-encoder.ts';
import { FRAME_MAX_BYTES, OUTPUT_HIGH_BYTES } from './limits.ts';
import { FLAG, FRAME, PREFACE, WINDOW_DEFAULT_BYTES } from './protocol.ts';
import { ownSettings } from './settings.ts';
import type { Role } from './settings.ts';

/** Room for the text of the largest head with the few bytes that each field adds. */
const blockScratch = Buffer.allocUnsafeSlow(4 * HEAD_MAX_BYTES);

export class Outbound {
  readonly encoder = new HpackEncoder();
  readonly #output: FrameOutput;
  /** What the peer lets us send, all streams together. */
  windowBytes = WINDOW_DEFAULT_BYTES;

  constructor(socket: Wire) {
    this.#output = new FrameOutput(socket);
  }

  get pendingBytes(): number {
    return this.#output.pendingBytes;
  }

  flush(): void {
    this.#output.flush();
  }

  /** The first words of either side. */
  greet(role: Role): void {
    if (role === 'client') this.#output.raw(PREFACE);
    const settings = ownSettings(role);
    const at = this.#output.frame(FRAME.settings, 0, 0, settings.length * 3);
    const { slab } = this.#output;
    for (let index = 0; index < settings.length; index += 2) {
      slab.writeUInt16BE(settings[index] as number, at + index * 3);
      slab.writeUInt32BE(settings[index + 1] as number, at + index * 3 + 2);
    }
  }

  settingsAck(): void {
    this.#output.frame(FRAME.settings, FLAG.ack, 0, 0);
  }

  ping(): void {
    const at = this.#output.frame(FRAME.ping, 0, 0, 8);
    this.#output.slab.fill(0, at, at + 8);
  }

  pong(buffer: Buffer, start: number): void {
    const at = this.#output.frame(FRAME.ping, FLAG.ack, 0, 8);
    buffer.copy(this.#output.slab, at, start, start + 8);
  }

  goaway(lastStreamId: number, code: number): void {
    const at = this.#output.frame(FRAME.goaway, 0, 0, 8);
    this.#output.slab.writeUInt32BE(lastStreamId, at);
    this.#output.slab.writeUInt32BE(code, at + 4);
  }

  reset(streamId: number, code: number): void {
    const at = this.#output.frame(FRAME.rstStream, 0, streamId, 4);
    this.#output.slab.writeUInt32BE(code, at);
  }

  window(streamId: number, bytes: number): void {
    const at = this.#output.frame(FRAME.windowUpdate, 0, streamId, 4);
    this.#output.slab.writeUInt32BE(bytes, at);
  }

  headers(streamId: number, fields: readonly string[], endStream: boolean): void {
    const length = this.encoder.encode(fields, blockScratch);
    for (let sent = 0; sent === 0 || sent < length; ) {
      const part = Math.min(length - sent, FRAME_MAX_BYTES);
      const flags = (sent === 0 && endStream ? FLAG.endStream : 0) | (sent + part === length ? FLAG.endHeaders : 0);
      const at = this.#output.frame(sent === 0 ? FRAME.headers : FRAME.continuation, flags, streamId, part);
      blockScratch.copy(this.#output.slab, at, sent, sent + part);
      sent += part;
      if (length === 0) return;
    }
  }

  /** How much of `wanted` fits into one DATA frame now. */
  room(wanted: number): number {
    if (this.#output.pendingBytes >= OUTPUT_HIGH_BYTES) return 0;
    return Math.min(wanted, this.windowBytes, FRAME_MAX_BYTES);
  }

  data(streamId: number, span: { buffer: Buffer; start: number; end: number }, endStream: boolean): void {
    const length = span.end - span.start;
    this.windowBytes -= length;
    const at = this.#output.frame(FRAME.data, endStream ? FLAG.endStream : 0, streamId, length);
    if (length > 0) span.buffer.copy(this.#output.slab, at, span.start, span.end);
  }
}
