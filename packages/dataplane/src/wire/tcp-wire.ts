/**
 * One accepted TCP connection on its handle: no streams, no buffer per read, no work between the kernel and whoever speaks its
 * protocol. It behaves as a half-open socket of Node does, so that protocols need not know which of the two they have.
 *
 * An error is a `close` with `true`; there is no `error` event.
 */
import { EventEmitter } from 'node:events';
import { HandleWrites } from './handle-writes.ts';
import { END_OF_STREAM, native } from './native.ts';
import type { Address, Native, TcpHandle } from './native.ts';

/** What all of them read into. */
const READ_BUFFER = Buffer.allocUnsafeSlow(65_536);

/** What addresses are asked into: an object with a shape costs less than one without. */
const PEER: Required<Address> = { address: '', family: '', port: 0 };

/** Handles know their wire by it. */
const WIRE = Symbol('wire');
type OwnHandle = TcpHandle & { [WIRE]?: TcpWire };

export interface Receiver {
  /** Every byte, in a buffer that is lent for the call: what is kept is copied. */
  received(buffer: Buffer, length: number): void;
}

export class TcpWire extends EventEmitter {
  /** Null: `data` events with copies. */
  receiver: Receiver | null = null;
  destroyed = false;
  writableEnded = false;
  readonly writes: HandleWrites;
  /** Undefined: the peer was gone before it was accepted. */
  readonly remoteAddress: string | undefined = undefined;
  readonly remotePort: number | undefined = undefined;
  readonly #handle: TcpHandle;
  #isReading = false;
  #isPaused = false;
  /** Bytes to be read once more. */
  #unread: Buffer | null = null;
  #peerEnded = false;
  #shutDown = false;
  #destroysSoon = false;
  #hadError = false;
  #local: Address | null = null;

  constructor(handle: TcpHandle) {
    super();
    this.#handle = handle;
    this.writes = new HandleWrites(handle, this);
    if (handle.getpeername(PEER) === 0) {
      this.remoteAddress = PEER.address;
      this.remotePort = PEER.port;
    }
    (handle as OwnHandle)[WIRE] = this;
    handle.onread = onRead;
    handle.useUserBuffer(READ_BUFFER);
    this.#startReading();
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

  get writableLength(): number {
    return this.writes.queuedBytes;
  }

  write(data: string | Uint8Array, more?: 'latin1' | (() => void)): boolean {
    if (this.destroyed || this.writableEnded) return false;
    if (typeof data === 'string') return this.writes.text(data);
    return this.writes.bytes(data, typeof more === 'function' ? more : null);
  }

  // ---- reading ----

  isPaused(): boolean {
    return this.#isPaused;
  }

  pause(): void {
    this.#isPaused = true;
    if (!this.#isReading || this.destroyed) return;
    this.#isReading = false;
    this.#handle.readStop();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#unread === null) this.#startReading();
    else process.nextTick(() => this.#readAgain());
  }

  unshift(bytes: Buffer): void {
    this.#unread = this.#unread === null ? bytes : Buffer.concat([bytes, this.#unread]);
    if (!this.#isPaused) process.nextTick(() => this.#readAgain());
  }

  #readAgain(): void {
    const bytes = this.#unread;
    if (this.#isPaused || this.destroyed) return;
    this.#unread = null;
    if (bytes !== null) this.#deliver(bytes, bytes.length);
    if (!this.#isPaused) this.#startReading();
  }

  #startReading(): void {
    if (this.#isReading || this.#peerEnded || this.destroyed) return;
    this.#isReading = true;
    if (this.#handle.readStart() !== 0) this.#break();
  }

  #deliver(buffer: Buffer, length: number): void {
    if (this.receiver === null) this.emit('data', Buffer.from(buffer.subarray(0, length)));
    else this.receiver.received(buffer, length);
  }

  /** From the handle: bytes in the buffer of all, or a code. */
  read(count: number): void {
    if (this.destroyed || count === 0) return;
    if (count > 0) {
      this.#deliver(READ_BUFFER, count);
      return;
    }
    if (count !== END_OF_STREAM) {
      this.#break();
      return;
    }
    this.#isReading = false;
    this.#peerEnded = true;
    this.emit('end');
    this.#endIfDone();
  }

  // ---- ends ----

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
    if (this.#shutDown && (this.#peerEnded || this.#destroysSoon)) this.destroy();
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

  #break(): void {
    this.#hadError = true;
    this.destroy();
  }

  #closed(): void {
    this.emit('close', this.#hadError);
    this.receiver = null;
  }
}

function onRead(this: OwnHandle): void {
  this[WIRE]?.read((native as Native).lastRead());
}
