/**
 * Frames on their way to a socket: collected in one buffer and written once per turn of the event loop, so that the answers to
 * many streams, or the requests of many clients, leave in one system call.
 */
import type { Wire } from '../wire/wire.ts';
import { FRAME_HEADER_BYTES } from './protocol.ts';

const SLAB_BYTES = 65_536;
const FREE_MAX_COUNT = 64;
const freeSlabs: Buffer[] = [];

export class FrameOutput {
  readonly #socket: Wire;
  readonly #writeNow = () => this.flush();
  #slab: Buffer | null = null;
  #used = 0;
  #scheduled = false;

  constructor(socket: Wire) {
    this.#socket = socket;
  }

  /** Collected, or with the socket and not yet with the kernel. */
  get pendingBytes(): number {
    return this.#used + this.#socket.writableLength;
  }

  /** Where the payload goes; valid until the next call. */
  get slab(): Buffer {
    return this.#slab as Buffer;
  }

  /** Writes a frame's header and answers where in {@link slab} its payload begins. */
  frame(type: number, flags: number, streamId: number, length: number): number {
    if (this.#used + FRAME_HEADER_BYTES + length > SLAB_BYTES) this.flush();
    const slab = (this.#slab ??= freeSlabs.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES));
    const at = this.#used;
    slab[at] = length >> 16;
    slab[at + 1] = (length >> 8) & 0xff;
    slab[at + 2] = length & 0xff;
    slab[at + 3] = type;
    slab[at + 4] = flags;
    slab.writeUInt32BE(streamId, at + 5);
    this.#used = at + FRAME_HEADER_BYTES + length;
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(this.#writeNow);
    }
    return at + FRAME_HEADER_BYTES;
  }

  /** Bytes that are no frame: what stands before the first one. */
  raw(latin1: string): void {
    this.flush();
    if (!this.#socket.destroyed) this.#socket.write(latin1, 'latin1');
  }

  flush(): void {
    this.#scheduled = false;
    const slab = this.#slab;
    if (slab === null || this.#used === 0) return;
    const bytes = this.#used;
    this.#slab = null;
    this.#used = 0;
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    // The kernel, or the cipher, may need the bytes for longer than this call.
    this.#socket.write(slab.subarray(0, bytes), () => {
      if (freeSlabs.length < FREE_MAX_COUNT) freeSlabs.push(slab);
    });
  }
}
