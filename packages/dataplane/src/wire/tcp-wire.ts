/**
 * One accepted TCP connection on its handle: no streams, no buffer per read, no work between the kernel and whoever speaks its
 * protocol. It behaves as a half-open socket of Node does, so that protocols need not know which of the two they have.
 *
 * An error is a `close` with `true`; there is no `error` event.
 */
import { HandleWire } from './handle-wire.ts';
import { HandleWrites } from './handle-writes.ts';
import { native } from './native.ts';
import type { Address, Native, TcpHandle } from './native.ts';

/** What addresses are asked into: an object with a shape costs less than one without. */
const PEER: Required<Address> = { address: '', family: '', port: 0 };

export class TcpWire extends HandleWire {
  destroyed = false;
  writableEnded = false;
  readonly writes: HandleWrites;
  /** Undefined: the peer was gone before it was accepted. */
  readonly remoteAddress: string | undefined = undefined;
  readonly remotePort: number | undefined = undefined;
  readonly #handle: TcpHandle;
  #shutDown = false;
  #destroysSoon = false;
  #hadError = false;
  #local: Address | null = null;

  constructor(handle: TcpHandle) {
    super(handle, false);
    this.#handle = handle;
    this.writes = new HandleWrites(handle, this);
    if (handle.getpeername(PEER) === 0) {
      this.remoteAddress = PEER.address;
      this.remotePort = PEER.port;
    }
    this.startReading();
  }

  get localAddress(): string | undefined {
    return this.#localEnd().address;
  }

  get localPort(): number | undefined {
    return this.#localEnd().port;
  }

  #localEnd(): Address {
    if (this.#local === null) {
      this.#local = {};
      if (!this.destroyed) this.#handle.getsockname(this.#local);
    }
    return this.#local;
  }

  protected ended(): void {
    this.emit('end');
    this.#endIfDone();
  }

  protected broke(): void {
    this.#hadError = true;
    this.destroy();
  }

  end(): void {
    if (this.destroyed || this.writableEnded) return;
    this.writableEnded = true;
    const request = (native as Native).shutdownRequest();
    request.oncomplete = () => this.#finished();
    // Anything but 0 is done at once: the peer is gone, or there is nothing to wait for.
    if (this.#handle.shutdown(request) !== 0) this.#finished();
  }

  #finished(): void {
    this.#shutDown = true;
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (this.#shutDown && (this.peerEnded || this.#destroysSoon)) this.destroy();
  }

  destroySoon(): void {
    this.#destroysSoon = true;
    if (this.writableEnded) this.#endIfDone();
    else this.end();
  }

  destroy(error?: Error): void {
    if (this.destroyed) return;
    this.destroyed = true;
    if (error !== undefined) this.#hadError = true;
    this.#handle.close(() => this.#closed());
  }

  resetAndDestroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.#hadError = true;
    if (this.#handle.reset(() => this.#closed()) !== 0) this.#handle.close(() => this.#closed());
  }

  #closed(): void {
    this.emit('close', this.#hadError);
    this.receiver = null;
  }
}
