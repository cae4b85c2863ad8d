/**
 * Writes straight to a handle. Nearly always the kernel takes everything at once and nothing is left to remember; what it does
 * not take, libuv keeps and sends in order, and whoever owns the connection hears when all of it is gone.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { handleOf } from './native.ts';
import type { PendingWrite, StreamHandle, WriteOutcome } from './native.ts';

/** Writes past the streams of Node. All answer true where nothing is left to wait for; else `drain` follows, or the connection is lost. */
export interface DirectWrites {
  /** Bytes that the kernel did not take yet. */
  readonly queuedBytes: number;
  text(latin1: string): boolean;
  /** `done`: the bytes are no longer needed. Not called where the connection is lost. */
  bytes(bytes: Uint8Array, done: (() => void) | null): boolean;
  /** Several in one system call; `done` as for {@link bytes}. */
  parts(parts: readonly (string | Uint8Array)[], done: (() => void) | null): boolean;
}

export interface WritesOwner {
  readonly destroyed: boolean;
  /** Everything is with the kernel again. */
  emit(event: 'drain'): unknown;
  destroy(error: Error): unknown;
}

export class HandleWrites implements DirectWrites {
  readonly #handle: StreamHandle;
  readonly #owner: WritesOwner;
  #pendingCount = 0;

  constructor(handle: StreamHandle, owner: WritesOwner) {
    this.#handle = handle;
    this.#owner = owner;
  }

  get queuedBytes(): number {
    return this.#pendingCount === 0 ? 0 : this.#handle.writeQueueSize;
  }

  text(latin1: string): boolean {
    return this.#followed(this.#handle.writeLatin1String(null, latin1), null, null);
  }

  bytes(bytes: Uint8Array, done: (() => void) | null): boolean {
    return this.#followed(this.#handle.writeBuffer(null, bytes), bytes, done);
  }

  parts(parts: readonly (string | Uint8Array)[], done: (() => void) | null): boolean {
    const chunks = chunksOf(parts);
    return this.#followed(this.#handle.writev(null, chunks, false), chunks, done);
  }

  #followed(outcome: WriteOutcome, kept: unknown, done: (() => void) | null): boolean {
    if (outcome === 0) {
      done?.();
      return true;
    }
    if (typeof outcome === 'number') this.#fail(outcome);
    else this.#follow(outcome, kept, done);
    return false;
  }

  #follow(write: PendingWrite, kept: unknown, done: (() => void) | null): void {
    this.#pendingCount++;
    write.buffer = kept;
    write.oncomplete = (status) => {
      this.#pendingCount--;
      if (status < 0) {
        this.#fail(status);
        return;
      }
      done?.();
      if (this.#pendingCount === 0 && !this.#owner.destroyed) this.#owner.emit('drain');
    };
    const { writeStatus } = write;
    if (writeStatus !== null) write.oncomplete(writeStatus);
  }

  #fail(status: number): void {
    if (!this.#owner.destroyed) this.#owner.destroy(new Error(`write failed with code ${status}`));
  }
}

/** As `writev` wants them. */
export function chunksOf(parts: readonly (string | Uint8Array)[]): (string | Uint8Array)[] {
  const chunks: (string | Uint8Array)[] = [];
  for (const part of parts) chunks.push(part, typeof part === 'string' ? 'latin1' : 'buffer');
  return chunks;
}

/** Past the streams of a connected plain socket that has written nothing yet; null where its handle is not known. */
export function writesOf(socket: Socket): HandleWrites | null {
  const handle = handleOf(socket);
  return handle === null || socket instanceof TLSSocket ? null : new HandleWrites(handle, socket);
}
