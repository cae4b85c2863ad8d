/**
 * Collects what one event has for a socket and hands it over in one write: a head and the body that came with it leave in
 * one system call. Small things travel as one Latin-1 string, large ones as the buffers that they came in.
 *
 * Text that was flushed leaves when the turn of the event loop has read what is there (`write-turn.ts`), large parts at once.
 */
import { BACKPRESSURE_BYTES, COALESCE_MAX_BYTES, SPAN_AS_TEXT_MAX_BYTES } from '../limits.ts';
import type { MessageWriter } from '../request/message-writer.ts';
import { HandleWire } from '../wire/handle-wire.ts';
import type { DirectWrites } from '../wire/handle-writes.ts';
import type { Wire } from '../wire/wire.ts';
import { atEndOfTurn } from './write-turn.ts';
import type { TurnWriter } from './write-turn.ts';

/** As much as one read can bring. */
const TRANSFER_BYTES = 65_536;
const FREE_TRANSFERS_MAX_COUNT = 64;
const freeTransfers: Buffer[] = [];

function free(transfers: readonly Buffer[]): void {
  for (const transfer of transfers) if (freeTransfers.length < FREE_TRANSFERS_MAX_COUNT) freeTransfers.push(transfer);
}

export class SocketWriter implements MessageWriter, TurnWriter {
  readonly framesBodies = false;
  readonly #wire: Wire;
  /** Past the streams of a socket, where its handle is known. */
  #writes: DirectWrites | null;
  #text = '';
  /** How much of the text was flushed and leaves with this turn; the rest still waits for its flush. */
  #flushedLength = 0;
  #isQueued = false;
  #parts: (string | Buffer)[] | null = null;
  #transfers: Buffer[] | null = null;
  /** Bytes handed over since {@link takeBytes}. */
  #bytes = 0;

  constructor(wire: Wire) {
    this.#wire = wire;
    this.#writes = wire instanceof HandleWire ? wire.writes : null;
  }

  /** From now on, with nothing written before. */
  writeThrough(writes: DirectWrites | null): void {
    this.#writes = writes;
  }

  /** Bytes that the kernel did not take yet. */
  get #queuedBytes(): number {
    return this.#writes === null ? this.#wire.writableLength : this.#writes.queuedBytes;
  }

  get isEmpty(): boolean {
    return this.#text.length === this.#flushedLength && this.#parts === null;
  }

  /** The kernel has all of it. */
  get isDelivered(): boolean {
    return this.#queuedBytes === 0;
  }

  /** More is waiting in the process than a source should be allowed to add to. */
  get isCongested(): boolean {
    return this.#queuedBytes > BACKPRESSURE_BYTES;
  }

  text(latin1: string): void {
    if (this.#parts === null) this.#text = this.#text === '' ? latin1 : this.#text + latin1;
    else this.#parts.push(latin1);
  }

  bytes(buffer: Buffer, start: number, end: number): void {
    if (this.#parts === null) {
      if (this.#isSmall(end - start)) {
        this.#text += buffer.toString('latin1', start, end);
        return;
      }
      this.handOver();
      this.#parts = this.#text === '' ? [] : [this.#text];
      this.#text = '';
    }
    this.#parts.push(start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end));
  }

  /** As {@link bytes}, of a buffer that is read into again after this event. */
  copy(buffer: Buffer, start: number, end: number): void {
    if (this.#parts === null && this.#isSmall(end - start)) this.#text += buffer.toString('latin1', start, end);
    else this.#transfer(buffer, start, end);
  }

  #isSmall(length: number): boolean {
    return length <= SPAN_AS_TEXT_MAX_BYTES && this.#text.length + length <= COALESCE_MAX_BYTES;
  }

  /**
   * Through a buffer that serves again once the kernel has taken its bytes, which is nearly always at once. A buffer of its own
   * for each read of a large body kept V8 in full collections: half of the CPU time of 1 MiB bodies.
   */
  #transfer(buffer: Buffer, start: number, end: number): void {
    const length = end - start;
    if (length > TRANSFER_BYTES) {
      this.bytes(Buffer.from(buffer.subarray(start, end)), 0, length);
      return;
    }
    const transfer = freeTransfers.pop() ?? Buffer.allocUnsafeSlow(TRANSFER_BYTES);
    buffer.copy(transfer, 0, start, end);
    this.bytes(transfer, 0, length);
    (this.#transfers ??= []).push(transfer);
  }

  #giveTransfers(): void {
    if (this.#transfers !== null) free(this.#transfers);
    this.#transfers = null;
  }

  trailers(lines: string): void {
    this.text(lines);
  }

  flush(): void {
    if (this.#parts !== null) {
      this.#flushParts(this.#parts);
      return;
    }
    const { length } = this.#text;
    if (length === this.#flushedLength) return;
    this.#bytes += length - this.#flushedLength;
    this.#flushedLength = length;
    if (length > COALESCE_MAX_BYTES) this.handOver();
    else if (!this.#isQueued) {
      this.#isQueued = true;
      atEndOfTurn(this);
    }
  }

  /** Text that was flushed goes to the socket now. */
  handOver(): void {
    const length = this.#flushedLength;
    if (length === 0) return;
    const text = this.#text;
    this.#flushedLength = 0;
    this.#text = length === text.length ? '' : text.slice(length);
    this.#write(length === text.length ? text : text.slice(0, length));
  }

  turnEnded(): void {
    this.#isQueued = false;
    this.handOver();
  }

  /** No more from this side, after what was collected. */
  end(): void {
    this.flush();
    this.handOver();
    this.#wire.end();
  }

  /** What was not flushed yet is forgotten. */
  discard(): void {
    this.#text = this.#text.slice(0, this.#flushedLength);
    this.#parts = null;
    this.#giveTransfers();
  }

  takeBytes(): number {
    const bytes = this.#bytes;
    this.#bytes = 0;
    return bytes;
  }

  #flushParts(parts: (string | Buffer)[]): void {
    const wire = this.#wire;
    const writes = this.#writes;
    const transfers = this.#transfers;
    this.#parts = null;
    this.#transfers = null;
    for (const part of parts) this.#bytes += part.length;
    if (wire.destroyed || wire.writableEnded) return;
    const done = transfers === null ? null : () => free(transfers);
    const [first] = parts;
    if (writes === null) this.#writeToStream(parts, done);
    else if (parts.length === 1 && typeof first === 'object') writes.bytes(first, done);
    else writes.parts(parts, done);
  }

  #writeToStream(parts: readonly (string | Buffer)[], done: (() => void) | null): void {
    const wire = this.#wire;
    wire.cork?.();
    for (const part of parts)
      if (typeof part === 'string') wire.write(part, 'latin1');
      else wire.write(part);
    wire.uncork?.();
    // What the kernel did not take yet, the socket still refers to.
    if (wire.writableLength === 0) done?.();
  }

  #write(latin1: string): void {
    const wire = this.#wire;
    if (wire.destroyed || wire.writableEnded) return;
    if (this.#writes === null) wire.write(latin1, 'latin1');
    else this.#writes.text(latin1);
  }
}
