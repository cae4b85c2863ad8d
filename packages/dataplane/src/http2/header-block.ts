/**
 * A header block in the making: HEADERS and the CONTINUATION frames after it, bounded in bytes and in frames, since nothing
 * of it can be judged before its end (CVE-2024-27316 and its siblings).
 */
import { CONTINUATIONS_MAX_COUNT, HEADER_BLOCK_MAX_BYTES } from './limits.ts';

export class HeaderBlock {
  /** The stream whose block is open; 0: none. */
  streamId = 0;
  endStream = false;
  #parts: Buffer[] = [];
  #bytes = 0;

  open(streamId: number, endStream: boolean): void {
    this.streamId = streamId;
    this.endStream = endStream;
    this.#parts = [];
    this.#bytes = 0;
  }

  /** False: more than anyone needs. */
  add(buffer: Buffer, start: number, end: number): boolean {
    this.#parts.push(Buffer.concat([buffer.subarray(start, end)]));
    this.#bytes += end - start;
    return this.#parts.length <= CONTINUATIONS_MAX_COUNT && this.#bytes <= HEADER_BLOCK_MAX_BYTES;
  }

  close(): Buffer {
    this.streamId = 0;
    const block = Buffer.concat(this.#parts);
    this.#parts = [];
    return block;
  }
}
