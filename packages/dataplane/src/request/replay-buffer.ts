/**
 * The part of a request body that was read already: held while there is no connection, kept for another try while it is small.
 */
import { REPLAY_MAX_BYTES } from '../limits.ts';
import type { MessageWriter } from './message-writer.ts';

export class ReplayBuffer {
  #parts: (string | Buffer)[] = [];
  #bytes = 0;
  #overflowed = false;

  /** Nothing that was sent is missing here: the request can be sent again. */
  get isComplete(): boolean {
    return !this.#overflowed;
  }

  reset(): void {
    if (this.#bytes > 0) this.#parts = [];
    this.#bytes = 0;
    this.#overflowed = false;
  }

  /** Before anything was sent: kept whatever its size, as the client is paused meanwhile. */
  hold(part: string | Buffer): void {
    this.#parts.push(part);
    this.#bytes += part.length;
  }

  /** Beside being sent: copied, and forgotten once it is too much. */
  keep(buffer: Buffer, start: number, end: number): void {
    if (this.#overflowed) return;
    if (this.#bytes + end - start > REPLAY_MAX_BYTES) this.#overflow();
    else this.hold(Buffer.from(buffer.subarray(start, end)));
  }

  keepText(text: string): void {
    if (!this.#overflowed) this.hold(text);
  }

  writeTo(out: MessageWriter): void {
    for (const part of this.#parts) {
      if (typeof part === 'string') out.text(part);
      else out.bytes(part, 0, part.length);
    }
    if (this.#bytes > REPLAY_MAX_BYTES) this.#overflow();
  }

  #overflow(): void {
    this.#overflowed = true;
    this.#parts = [];
    this.#bytes = 0;
  }
}
