/**
 * A request as it comes in, whose body can be taken as one piece. What is taken so never passes through the queues and
 * events of a stream, which cost more than everything that is done with the few bytes of most bodies.
 */
import { IncomingMessage } from 'node:http';

/** Gets the whole body, or null as soon as it is longer than allowed. Not called where the connection ends before that. */
export type BodyTaker = (body: Buffer | null) => void;

interface Taking {
  readonly limitBytes: number;
  readonly chunks: Buffer[];
  bytes: number;
  /** Null: it was called; what still comes is dropped. */
  taker: BodyTaker | null;
}

export class RequestMessage extends IncomingMessage {
  #taking: Taking | null = null;

  /** To be called in the turn in which the request appears, before anything else looks at its body. Calls `taker` once at most. */
  takeBody(limitBytes: number, taker: BodyTaker): void {
    if (Number(this.headers['content-length']) > limitBytes) return taker(null);
    this.#taking = { limitBytes, chunks: [], bytes: 0, taker };
    // Tells Node that the body is read by somebody.
    return this._read(0);
  }

  /** How Node's parser hands over each piece of the body, and null for its end. */
  override push(chunk: Buffer | null, encoding?: BufferEncoding): boolean {
    if (this.#taking === null) return super.push(chunk, encoding);
    take(this.#taking, chunk);
    return true;
  }
}

function take(taking: Taking, chunk: Buffer | null): void {
  const { limitBytes, chunks, taker } = taking;
  if (taker === null) return;
  if (chunk !== null) {
    chunks.push(chunk);
    taking.bytes += chunk.length;
    if (taking.bytes <= limitBytes) return;
  }
  taking.taker = null;
  taker(taking.bytes > limitBytes ? null : joined(chunks, taking.bytes));
}

function joined(chunks: readonly Buffer[], bytes: number): Buffer {
  const [first] = chunks;
  return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, bytes);
}
