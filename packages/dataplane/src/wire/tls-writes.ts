/**
 * Writes straight to the handle of a TLS connection, which encrypts at once, but takes one write at a time and tells of its end a turn
 * of the event loop later: what comes in between waits and leaves together.
 *
 * Nobody listens for the end of a small write that left nothing behind, as being called back costs as much as the write. It is
 * looked at when the next one comes.
 */
import { chunksOf } from './handle-writes.ts';
import type { DirectWrites, WritesOwner } from './handle-writes.ts';
import type { PendingWrite, StreamHandle, WriteOutcome } from './native.ts';

/** One record. What is larger may be kept by the cipher without showing in the handle's queue. */
const UNFOLLOWED_MAX_BYTES = 16_384;

export class TlsWrites implements DirectWrites {
  readonly #handle: StreamHandle;
  readonly #owner: WritesOwner;
  /** The last one, which may have ended unnoticed. */
  #write: PendingWrite | null = null;
  #writeBytes = 0;
  #isFollowed = false;
  #waiting: (string | Uint8Array)[] = [];
  #waitingBytes = 0;
  #whenTaken: (() => void)[] = [];
  #whenSent: (() => void) | null = null;

  constructor(handle: StreamHandle, owner: WritesOwner) {
    this.#handle = handle;
    this.#owner = owner;
  }

  /** Of a write under way all of it. */
  get queuedBytes(): number {
    return this.#isFollowed ? this.#waitingBytes + this.#writeBytes : 0;
  }

  text(latin1: string): boolean {
    if (this.#isBusy()) return this.#wait(latin1);
    return this.#started(this.#handle.writeLatin1String(null, latin1), latin1.length);
  }

  bytes(bytes: Uint8Array, done: (() => void) | null): boolean {
    if (this.#isBusy()) {
      if (done !== null) this.#whenTaken.push(done);
      return this.#wait(bytes);
    }
    const isSent = this.#started(this.#handle.writeBuffer(null, bytes), bytes.length);
    // Encrypted, or kept as a copy.
    done?.();
    return isSent;
  }

  parts(parts: readonly (string | Uint8Array)[], done: (() => void) | null): boolean {
    if (this.#isBusy()) {
      if (done !== null) this.#whenTaken.push(done);
      for (const part of parts) this.#wait(part);
      return false;
    }
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    const isSent = this.#started(this.#handle.writev(null, chunksOf(parts), false), bytes);
    done?.();
    return isSent;
  }

  /** Calls `then` once, when all that was written so far is with the kernel; never where the connection is lost. */
  whenSent(then: () => void): void {
    if (!this.#isBusy()) {
      then();
      return;
    }
    this.#whenSent = then;
    this.#follow();
  }

  #wait(part: string | Uint8Array): boolean {
    this.#waiting.push(part);
    this.#waitingBytes += part.length;
    this.#follow();
    return false;
  }

  #isBusy(): boolean {
    return this.#write !== null && (this.#isFollowed || this.#write.writeStatus === null);
  }

  #started(outcome: WriteOutcome, bytes: number): boolean {
    if (typeof outcome === 'number') {
      this.#write = null;
      if (outcome !== 0) this.#fail(outcome);
      return outcome === 0;
    }
    this.#write = outcome;
    this.#writeBytes = bytes;
    const { writeStatus } = outcome;
    if (writeStatus !== null && writeStatus < 0) {
      this.#fail(writeStatus);
      return false;
    }
    if (bytes <= UNFOLLOWED_MAX_BYTES && this.#handle.writeQueueSize === 0) return true;
    this.#follow();
    return false;
  }

  #follow(): void {
    const write = this.#write;
    if (write === null || this.#isFollowed) return;
    this.#isFollowed = true;
    write.oncomplete = (status) => this.#completed(status);
    const { writeStatus } = write;
    if (writeStatus !== null) this.#completed(writeStatus);
  }

  #completed(status: number): void {
    this.#write = null;
    this.#isFollowed = false;
    if (status < 0) {
      this.#fail(status);
      return;
    }
    if (this.#owner.destroyed) return;
    if (this.#waiting.length > 0) this.#writeWaiting();
    if (this.#isFollowed) return;
    this.#owner.emit('drain');
    const then = this.#whenSent;
    this.#whenSent = null;
    if (then !== null) this.whenSent(then);
  }

  #writeWaiting(): void {
    const parts = this.#waiting;
    const taken = this.#whenTaken;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#whenTaken = [];
    this.parts(parts, null);
    for (const done of taken) done();
  }

  #fail(status: number): void {
    if (!this.#owner.destroyed) this.#owner.destroy(new Error(`write failed with code ${status}`));
  }
}
