/**
 * One socket that carries frames: collects what is sent in a loop turn into one write, bounds what may wait, and tells
 * how it ended. Knows nothing of handshakes or messages.
 */
import type { Socket } from 'node:net';
import { ByteWriter } from '../codec/bytes.ts';
import type { Clock } from '../driver/ports.ts';
import { FrameReader, writeFrame } from './framing.ts';
import { FRAME_HANDSHAKE_MAX_BYTES, LINGER_MS, WRITE_SLAB_BYTES } from './limits.ts';

/**
 * Why a connection is over. `peer-closed` and `reset`: the other kernel said so; `refused`: nobody listens there;
 * `silent`: nothing was heard for too long; `protocol`: bytes that are no frames; `local`: we closed it.
 */
export type CloseCause = 'peer-closed' | 'reset' | 'refused' | 'unreachable' | 'silent' | 'protocol' | 'local';

export interface ConnectionHandlers {
  onFrame(type: number, payload: Buffer): void;
  onClosed(cause: CloseCause): void;
}

export class Connection {
  readonly socket: Socket;
  /** Handlers change when the handshake is over. */
  handlers: ConnectionHandlers;
  /** When something was last received, by the owner's clock. */
  heardMs: number;
  maxQueueBytes: number = FRAME_HANDSHAKE_MAX_BYTES;
  readonly #reader = new FrameReader(FRAME_HANDSHAKE_MAX_BYTES);
  readonly #clock: Clock;
  #writer = new ByteWriter(512);
  #flushed = 0;
  #scheduled = false;
  #closed = false;
  #ended = false;

  constructor(socket: Socket, clock: Clock, handlers: ConnectionHandlers) {
    this.socket = socket;
    this.handlers = handlers;
    this.#clock = clock;
    this.heardMs = clock.nowMs();
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#received(chunk));
    socket.on('end', () => this.close('peer-closed'));
    socket.on('error', (error: NodeJS.ErrnoException) => this.close(causeOf(error)));
    socket.on('close', () => this.close('reset'));
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The peer is known: larger frames and longer queues from here on. */
  admit(maxFrameBytes: number, maxQueueBytes: number): void {
    this.#reader.maxBytes = maxFrameBytes;
    this.maxQueueBytes = maxQueueBytes;
  }

  /** Queues one frame; false where it does not fit or the connection is over: then it is dropped. */
  send(type: number, write: (writer: ByteWriter) => void, sizeHintBytes = 0): boolean {
    if (this.#closed) return false;
    const waiting = this.socket.writableLength + this.#writer.length - this.#flushed;
    if (waiting > 0 && waiting + sizeHintBytes > this.maxQueueBytes) return false;
    writeFrame(this.#writer, type, write);
    if (!this.#scheduled) {
      this.#scheduled = true;
      queueMicrotask(() => this.flush());
    }
    return true;
  }

  flush(): void {
    this.#scheduled = false;
    const writer = this.#writer;
    if (this.#closed || writer.length === this.#flushed) return;
    this.socket.write(writer.buffer.subarray(this.#flushed, writer.length));
    this.#flushed = writer.length;
    // The slab belongs to the socket now; a nearly full one is left to it.
    if (writer.buffer.length - writer.length < WRITE_SLAB_BYTES / 4) {
      this.#writer = new ByteWriter(WRITE_SLAB_BYTES);
      this.#flushed = 0;
    }
  }

  /** Resolves when the socket takes more, at once where it does already. */
  async drained(): Promise<void> {
    this.flush();
    if (this.#closed || !this.socket.writableNeedDrain) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.socket.off('drain', done);
        this.socket.off('close', done);
        resolve();
      };
      this.socket.on('drain', done);
      this.socket.on('close', done);
    });
  }

  /** Writes what waits, then closes; for a peer that does not close its side too, not for ever. */
  end(): void {
    if (this.#closed) return;
    this.flush();
    this.#ended = true;
    this.#closed = true;
    this.socket.end();
    this.socket.resume();
    const linger = this.#clock.setTimer(this.#clock.nowMs() + LINGER_MS, () => this.socket.destroy());
    this.socket.once('close', () => linger.cancel());
    this.handlers.onClosed('local');
  }

  close(cause: CloseCause): void {
    if (this.#closed) {
      if (this.#ended) this.socket.destroy();
      return;
    }
    this.#closed = true;
    this.socket.destroy();
    this.handlers.onClosed(cause);
  }

  #received(chunk: Buffer): void {
    if (this.#closed) return;
    this.heardMs = this.#clock.nowMs();
    try {
      this.#reader.push(chunk, (type, payload) => {
        this.handlers.onFrame(type, payload);
        return !this.#closed;
      });
    } catch {
      // Whatever was wrong with the bytes: a peer that sends them is not talked to.
      this.close('protocol');
    }
  }
}

function causeOf(error: NodeJS.ErrnoException): CloseCause {
  if (error.code === 'ECONNREFUSED') return 'refused';
  if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return 'reset';
  return 'unreachable';
}
