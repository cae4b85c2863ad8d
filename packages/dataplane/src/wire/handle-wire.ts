/**
 * A connection on its handle, whatever is beneath: no streams, no buffer per read, no work between the kernel (or the cipher) and
 * whoever speaks its protocol.
 *
 * How bytes are written and how it ends differs between TCP (`tcp-wire.ts`) and TLS (`tls-wire.ts`).
 */
import { EventEmitter } from 'node:events';
import type { DirectWrites } from './handle-writes.ts';
import { END_OF_STREAM, native } from './native.ts';
import type { Native, StreamHandle } from './native.ts';

/** What all of them read into. */
const READ_BUFFER = Buffer.allocUnsafeSlow(65_536);
/** Handles know their wire by it. */
const WIRE = Symbol('wire');

type OwnHandle = StreamHandle & { [WIRE]?: HandleWire };

export interface Receiver {
  /** Every byte, in a buffer that is lent for the call: what is kept is copied. */
  received(buffer: Buffer, length: number): void;
}

export abstract class HandleWire extends EventEmitter {
  /** Null: `data` events with copies. */
  receiver: Receiver | null = null;
  abstract readonly destroyed: boolean;
  abstract readonly writableEnded: boolean;
  abstract readonly writes: DirectWrites;
  readonly #handle: StreamHandle;
  #isReading: boolean;
  #isPaused = false;
  /** Bytes to be read once more. */
  #unread: Buffer | null = null;
  #peerEnded = false;

  /** Whoever heard of the handle's reads before hears no more of them. `isReading`: it reads already. */
  constructor(handle: StreamHandle, isReading: boolean) {
    super();
    this.#handle = handle;
    this.#isReading = isReading;
    (handle as OwnHandle)[WIRE] = this;
    handle.onread = onRead;
    handle.useUserBuffer(READ_BUFFER);
  }

  /** The peer says no more. */
  protected abstract ended(): void;

  /** A read failed with this code of libuv. */
  protected abstract broke(code: number): void;

  protected get peerEnded(): boolean {
    return this.#peerEnded;
  }

  get writableLength(): number {
    return this.writes.queuedBytes;
  }

  write(data: string | Uint8Array, more?: 'latin1' | (() => void)): boolean {
    if (this.destroyed || this.writableEnded) return false;
    if (typeof data === 'string') return this.writes.text(data);
    return this.writes.bytes(data, typeof more === 'function' ? more : null);
  }

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
    if (this.#unread === null) this.startReading();
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
    if (!this.#isPaused) this.startReading();
  }

  protected startReading(): void {
    if (this.#isReading || this.#peerEnded || this.destroyed) return;
    this.#isReading = true;
    const code = this.#handle.readStart();
    if (code !== 0) this.broke(code);
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
      this.broke(count);
      return;
    }
    this.#isReading = false;
    this.#peerEnded = true;
    this.ended();
  }
}

function onRead(this: OwnHandle): void {
  this[WIRE]?.read((native as Native).lastRead());
}
