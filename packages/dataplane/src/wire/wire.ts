/**
 * A connection as listeners and protocols see it: what connections on their handles (TCP and TLS) and the sockets of Node (every
 * connection on a Node whose handles we do not know) have in common.
 *
 * Half-open always: the end of what the peer says is not the end of what it hears.
 */
import { HandleWire } from './handle-wire.ts';
import type { Receiver } from './handle-wire.ts';

interface WireEvents {
  (event: 'data', listener: (chunk: Buffer) => void): unknown;
  (event: 'end' | 'drain', listener: () => void): unknown;
  /** The last event. `hadError`: it broke, or was reset, or was destroyed with an error. */
  (event: 'close', listener: (hadError: boolean) => void): unknown;
  (event: 'error', listener: (error: Error) => void): unknown;
}

export interface Wire {
  readonly on: WireEvents;
  readonly once: WireEvents;
  readonly off: WireEvents;
  removeAllListeners(event: 'data'): unknown;
  readonly destroyed: boolean;
  readonly writableEnded: boolean;
  /** Bytes that the kernel did not take yet. */
  readonly writableLength: number;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  /** False: not all of it is with the kernel, `drain` follows. */
  write(latin1: string, encoding: 'latin1'): boolean;
  write(bytes: Uint8Array, done?: () => void): boolean;
  /** Between the two, writes are collected into one. Absent where nothing is written past the handle. */
  cork?(): void;
  uncork?(): void;
  isPaused(): boolean;
  pause(): unknown;
  resume(): unknown;
  /** Puts bytes back that were read too far; they come again. */
  unshift(bytes: Buffer): unknown;
  /** FIN after what was written. */
  end(): unknown;
  destroy(error?: Error): unknown;
  /** {@link end}, then destroyed. */
  destroySoon(): void;
  resetAndDestroy(): unknown;
}

/**
 * Gives `receiver` every byte from now on, in place of whoever got them before. It is lent the buffer for the call: what it keeps it
 * copies.
 */
export function receive(wire: Wire, receiver: Receiver): void {
  if (wire instanceof HandleWire) {
    wire.receiver = receiver;
    return;
  }
  wire.removeAllListeners('data');
  wire.on('data', (chunk) => receiver.received(chunk, chunk.length));
}
