/**
 * An HTTP/2 client as frames: sends exactly what a test says, however wrong, and shows what comes back. Header blocks are written
 * without compression.
 */
import { waitFor } from '@flotilla/shared/testing';
import { FLAG, FRAME, PREFACE } from '../http2/protocol.ts';
import { rawClient } from './raw-tcp.ts';
import type { RawPeer } from './raw-tcp.ts';

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, streamId: number, payload: Buffer | string = ''): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, body]);
}

/** Literal fields, never indexed. */
export function block(fields: readonly (readonly [string, string])[]): Buffer {
  const text = (value: string) => {
    const bytes = Buffer.from(value, 'latin1');
    const length =
      bytes.length < 127 ? [bytes.length] : [127, ((bytes.length - 127) & 0x7f) | 0x80, (bytes.length - 127) >> 7];
    return Buffer.concat([Buffer.from(length), bytes]);
  };
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0x10]), text(name), text(value)]));
}

export function getFields(...more: (readonly [string, string])[]): (readonly [string, string])[] {
  return [[':method', 'GET'], [':scheme', 'http'], [':path', '/'], [':authority', 'a'], ...more];
}

/** A whole request. */
export const END: number = FLAG.endStream | FLAG.endHeaders;

export function headers(streamId: number, fields: readonly (readonly [string, string])[], flags: number = END): Buffer {
  return frame(FRAME.headers, flags, streamId, block(fields));
}

export function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export class RawHttp2 {
  readonly peer: RawPeer;

  constructor(peer: RawPeer) {
    this.peer = peer;
  }

  static async connect(port: number, greeting: Buffer = frame(FRAME.settings, 0, 0)): Promise<RawHttp2> {
    const peer = await rawClient(port);
    peer.send(PREFACE);
    const client = new RawHttp2(peer);
    client.send(greeting);
    return client;
  }

  send(...frames: readonly Buffer[]): void {
    if (!this.peer.socket.destroyed) this.peer.socket.write(Buffer.concat(frames));
  }

  get frames(): RawFrame[] {
    const bytes = Buffer.from(this.peer.received, 'latin1');
    const frames: RawFrame[] = [];
    for (let at = 0; at + 9 <= bytes.length; ) {
      const length = bytes.readUIntBE(at, 3);
      if (at + 9 + length > bytes.length) break;
      const payload = bytes.subarray(at + 9, at + 9 + length);
      frames.push({
        type: bytes[at + 3] as number,
        flags: bytes[at + 4] as number,
        streamId: bytes.readUInt32BE(at + 5),
        payload,
      });
      at += 9 + length;
    }
    return frames;
  }

  of(type: number): RawFrame[] {
    return this.frames.filter((one) => one.type === type);
  }

  /** The code of the GOAWAY that came, -1 without one. */
  get goawayCode(): number {
    return this.of(FRAME.goaway)[0]?.payload.readUInt32BE(4) ?? -1;
  }

  resetCode(streamId: number): number {
    return (
      this.of(FRAME.rstStream)
        .find((one) => one.streamId === streamId)
        ?.payload.readUInt32BE(0) ?? -1
    );
  }

  /** The connection still works: what was refused was refused alone. */
  async stillServes(streamId: number): Promise<void> {
    this.send(headers(streamId, getFields()));
    await waitFor('an answer', () => this.of(FRAME.headers).some((one) => one.streamId === streamId));
  }

  close(): void {
    this.peer.socket.destroy();
  }
}
