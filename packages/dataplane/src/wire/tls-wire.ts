/**
 * A TLS connection after its handshake: bytes go past the streams of its socket, which keeps what is rare: its ends and its errors.
 *
 * An error is a `close` with `true`; there is no `error` event.
 */
import type { TLSSocket } from 'node:tls';
import { HandleWire } from './handle-wire.ts';
import { handleOf } from './native.ts';
import type { StreamHandle } from './native.ts';
import { TlsWrites } from './tls-writes.ts';
import type { Wire } from './wire.ts';

export class TlsWire extends HandleWire {
  writableEnded = false;
  readonly writes: TlsWrites;
  readonly #socket: TLSSocket;
  /** Tells the socket of the end that was just read. */
  readonly #tellSocket: () => void;

  constructor(socket: TLSSocket, handle: StreamHandle) {
    const { onread } = handle;
    super(handle, true);
    this.#socket = socket;
    this.#tellSocket = () => onread.call(handle);
    this.writes = new TlsWrites(handle, this);
    socket.on('end', () => this.emit('end'));
    socket.on('error', () => {});
    socket.on('close', (hadError) => {
      this.emit('close', hadError);
      this.receiver = null;
    });
  }

  get destroyed(): boolean {
    return this.#socket.destroyed;
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.#socket.remotePort;
  }

  get localAddress(): string | undefined {
    return this.#socket.localAddress;
  }

  get localPort(): number | undefined {
    return this.#socket.localPort;
  }

  protected ended(): void {
    this.#tellSocket();
  }

  protected broke(code: number): void {
    this.destroy(new Error(`read failed with code ${code}`));
  }

  end(): void {
    if (this.destroyed || this.writableEnded) return;
    this.writableEnded = true;
    // Its handle would shut down behind a write that is half with the kernel.
    this.writes.whenSent(() => this.#socket.end());
  }

  destroySoon(): void {
    if (this.destroyed) return;
    this.writableEnded = true;
    this.writes.whenSent(() => this.#socket.destroySoon());
  }

  destroy(error?: Error): void {
    this.#socket.destroy(error);
  }

  /** TLS has an end of its own, whose absence is its reset. */
  resetAndDestroy(): void {
    this.#socket.destroy();
  }
}

/** The wire of a socket whose handshake is done, of which nothing was read yet: itself on a Node whose handles are not known. */
export function wireOf(socket: TLSSocket): Wire {
  const handle = handleOf(socket);
  return handle === null ? socket : new TlsWire(socket, handle);
}
