/**
 * Frames: `u32 length | u8 version | u8 type | u32 crc | payload`, big-endian; length counts what follows it.
 *
 * The CRC finds broken memory and broken middle boxes, not attackers: peers are authenticated once, at the handshake; who
 * must fear tampering on the wire uses mutual TLS.
 */
import { crc32 } from 'node:zlib';
import { FormatError } from '../codec/bytes.ts';
import type { ByteWriter } from '../codec/bytes.ts';

const PROTOCOL_VERSION = 1;

const LENGTH_BYTES = 4;
const HEAD_BYTES = 6;

/** Frame types beyond consensus messages, whose tags are below 32. */
export const FrameType = {
  hello: 33,
  challenge: 34,
  auth: 35,
  ready: 36,
  refuse: 37,
  ping: 40,
  pong: 41,
  formation: 42,
  snapshotBegin: 48,
  snapshotResume: 49,
  snapshotChunk: 50,
  snapshotEnd: 51,
  snapshotDone: 52,
} as const;

export const MESSAGE_TAG_MAX = 31;

/** Appends one frame. Answers its payload's size. */
export function writeFrame(writer: ByteWriter, type: number, write: (writer: ByteWriter) => void): number {
  const at = writer.reserve(LENGTH_BYTES + HEAD_BYTES);
  const body = at + LENGTH_BYTES + HEAD_BYTES;
  write(writer);
  writer.setU32(at, HEAD_BYTES + writer.length - body);
  writer.buffer[at + 4] = PROTOCOL_VERSION;
  writer.buffer[at + 5] = type;
  writer.setU32(at + 6, crc32(writer.buffer.subarray(body, writer.length), type));
  return writer.length - body;
}

/** Cuts a byte stream into frames. Payloads alias the chunks they came in, unless a frame spans several. */
export class FrameReader {
  /** Largest payload that is accepted; raised once the peer is known. */
  maxBytes: number;
  #chunks: Buffer[] = [];
  #held = 0;
  /** Bytes that the frame under way needs before another look is worth while. */
  #needed = LENGTH_BYTES + HEAD_BYTES;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Calls `onFrame` for each whole frame; stops early where it answers false. Throws FormatError on anything else. */
  push(chunk: Buffer, onFrame: (type: number, payload: Buffer) => boolean): void {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    if (this.#held < this.#needed) return;
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#held);
    let at = 0;
    this.#needed = LENGTH_BYTES + HEAD_BYTES;
    while (bytes.length - at >= LENGTH_BYTES + HEAD_BYTES) {
      const length = bytes.readUInt32BE(at);
      if (length < HEAD_BYTES || length - HEAD_BYTES > this.maxBytes) throw new FormatError(`frame of ${length} bytes`);
      if (bytes.length - at < LENGTH_BYTES + length) {
        this.#needed = LENGTH_BYTES + length;
        break;
      }
      const version = bytes[at + 4] as number;
      const type = bytes[at + 5] as number;
      const payload = bytes.subarray(at + LENGTH_BYTES + HEAD_BYTES, at + LENGTH_BYTES + length);
      if (version !== PROTOCOL_VERSION) throw new FormatError(`frame of version ${version}`);
      if (crc32(payload, type) !== bytes.readUInt32BE(at + 6)) throw new FormatError('checksum of a frame differs');
      at += LENGTH_BYTES + length;
      if (!onFrame(type, payload)) {
        this.#chunks = [];
        this.#held = 0;
        return;
      }
    }
    const rest = bytes.subarray(at);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#held = rest.length;
  }
}
