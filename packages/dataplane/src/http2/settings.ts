/**
 * SETTINGS frames: what we say, and what of the peer's we keep (RFC 9113 §6.5.2). A bad value is a connection error.
 */
import { HEAD_MAX_BYTES } from '../limits.ts';
import { CONCURRENT_STREAMS_MAX_COUNT, STREAM_WINDOW_BYTES, UPSTREAM_STREAMS_DEFAULT_COUNT } from './limits.ts';
import { CODE, SETTING, WINDOW_DEFAULT_BYTES, WINDOW_MAX_BYTES } from './protocol.ts';

export type Role = 'server' | 'client';

const SETTING_BYTES = 6;

/** Identifiers and values in turn. */
export function ownSettings(role: Role): readonly number[] {
  const common = [SETTING.initialWindowSize, STREAM_WINDOW_BYTES, SETTING.maxHeaderListSize, HEAD_MAX_BYTES];
  if (role === 'client') return [SETTING.enablePush, 0, ...common];
  const connect = [SETTING.enableConnectProtocol, 1];
  return [SETTING.maxConcurrentStreams, CONCURRENT_STREAMS_MAX_COUNT, ...connect, ...common];
}

export class PeerSettings {
  initialWindowBytes = WINDOW_DEFAULT_BYTES;
  maxConcurrentStreams = UPSTREAM_STREAMS_DEFAULT_COUNT;
  headerTableBytes = 4_096;
  enableConnectProtocol = false;

  /** 0, or the code of what is wrong. */
  apply(buffer: Buffer, start: number, end: number): number {
    if ((end - start) % SETTING_BYTES !== 0) return CODE.frameSizeError;
    for (let at = start; at < end; at += SETTING_BYTES) {
      const value = buffer.readUInt32BE(at + 2);
      switch (buffer.readUInt16BE(at)) {
        case SETTING.headerTableSize:
          this.headerTableBytes = value;
          break;
        case SETTING.enablePush:
          if (value > 1) return CODE.protocolError;
          break;
        case SETTING.maxConcurrentStreams:
          this.maxConcurrentStreams = value;
          break;
        case SETTING.initialWindowSize:
          if (value > WINDOW_MAX_BYTES) return CODE.flowControlError;
          this.initialWindowBytes = value;
          break;
        case SETTING.maxFrameSize:
          // Ours never exceed the least that it may allow.
          if (value < 16_384 || value > 16_777_215) return CODE.protocolError;
          break;
        case SETTING.enableConnectProtocol:
          if (value > 1) return CODE.protocolError;
          this.enableConnectProtocol = value === 1;
          break;
        default:
      }
    }
    return 0;
  }
}
