/**
 * A message head while it is read and after: the bytes as one Latin-1 string, and where each field lies in it.
 *
 * No field becomes a string of its own until somebody asks for it. Heads are borrowed from a free list for as long as a
 * message needs one, so that an idle connection holds none.
 */
import { FIELDS_MAX_COUNT } from '../limits.ts';
import { equalsIgnoreCase } from './bytes.ts';
import type { Fault } from './faults.ts';

/** Heads are short: the first look takes this many bytes of a read, so that a large body is not turned into text. */
export const FIRST_LOOK_BYTES = 2_048;
const NO_BYTES = new Uint8Array(0);

export class MessageHead {
  /** All bytes seen so far from the first of the message on; may run past the head. */
  raw = '';
  /** The same bytes for the parser, from {@link base} on. Lent: not there after it has run. */
  bytes: Uint8Array = NO_BYTES;
  base = 0;
  /** Start of the line that is parsed next. */
  position = 0;
  /** False while the start line is not complete. */
  startLineDone = false;
  /** Set where parsing failed. */
  fault: Fault | null = null;
  /** Where the start line begins: after the empty line that a client may send first. */
  startLine = 0;
  fieldsStart = 0;
  /** End of the last field line; the empty line follows. */
  fieldsEnd = 0;
  /** First byte after the head. */
  end = 0;
  fieldCount = 0;
  readonly ids: Uint8Array = new Uint8Array(FIELDS_MAX_COUNT);
  readonly nameStart: Int32Array = new Int32Array(FIELDS_MAX_COUNT + 1);
  readonly nameEnd: Int32Array = new Int32Array(FIELDS_MAX_COUNT);
  readonly valueStart: Int32Array = new Int32Array(FIELDS_MAX_COUNT);
  readonly valueEnd: Int32Array = new Int32Array(FIELDS_MAX_COUNT);
  /** 1 where the line is exactly `name: value` and can be passed on as it is. */
  readonly canonical: Uint8Array = new Uint8Array(FIELDS_MAX_COUNT);

  /** 0 or 1. Later minor versions count as 1. */
  minorVersion = 1;
  /** -1: none. */
  contentLength = -1;
  chunked = false;
  connectionClose = false;
  connectionKeepAlive = false;
  connectionUpgrade = false;
  /** Lower-case names that Connection lists beside the three above; null: none. */
  connectionNames: string[] | null = null;

  reset(): void {
    this.raw = '';
    this.position = 0;
    this.startLineDone = false;
    this.fault = null;
    this.startLine = 0;
    this.fieldCount = 0;
    this.minorVersion = 1;
    this.contentLength = -1;
    this.chunked = false;
    this.connectionClose = false;
    this.connectionKeepAlive = false;
    this.connectionUpgrade = false;
    this.connectionNames = null;
  }

  feed(buffer: Buffer, start: number, end: number): void {
    const text = buffer.toString('latin1', start, end);
    if (this.raw === '') {
      this.raw = text;
      this.bytes = buffer;
      this.base = start;
    } else this.feedText(text);
  }

  /** As {@link feed}, Latin-1. */
  feedText(text: string): void {
    this.raw += text;
    this.bytes = Buffer.from(this.raw, 'latin1');
    this.base = 0;
  }

  /** Byte at a position of {@link raw}, while it is parsed. */
  at(position: number): number {
    return this.bytes[this.base + position] as number;
  }

  name(index: number): string {
    return this.raw.slice(this.nameStart[index], this.nameEnd[index]);
  }

  value(index: number): string {
    return this.raw.slice(this.valueStart[index], this.valueEnd[index]);
  }

  isNamed(index: number, lowerName: string): boolean {
    return equalsIgnoreCase(this.raw, this.nameStart[index] as number, this.nameEnd[index] as number, lowerName);
  }

  /** Lines of the same name joined as RFC 9110 §5.3 joins them; undefined: there is none. */
  field(lowerName: string): string | undefined {
    let found: string | undefined;
    for (let index = 0; index < this.fieldCount; index++) {
      if (!this.isNamed(index, lowerName)) continue;
      const separator = lowerName === 'cookie' ? '; ' : ', ';
      found = found === undefined ? this.value(index) : found + separator + this.value(index);
    }
    return found;
  }

  /** Index of the first field with this id, -1: there is none. */
  indexOf(id: number): number {
    for (let index = 0; index < this.fieldCount; index++) if (this.ids[index] === id) return index;
    return -1;
  }
}

export class RequestHead extends MessageHead {
  method = '';
  /** As it goes to the backend: origin-form or `*`. */
  target = '';
  /** Whether `target` is what stands in `raw`. */
  targetAsSent = true;
  path = '';
  query = '';
  /** As sent, with port; from the target where that is absolute. '' only in HTTP/1.0. */
  host = '';
  /** Whether `host` is what the Host field says. */
  hostAsSent = true;
  expectContinue = false;
  /** -1: none. */
  maxForwards = -1;

  override reset(): void {
    super.reset();
    this.targetAsSent = true;
    this.hostAsSent = true;
    this.expectContinue = false;
    this.maxForwards = -1;
  }
}

export class ResponseHead extends MessageHead {
  status = 0;
}

const FREE_MAX_COUNT = 1_024;
const freeRequests: RequestHead[] = [];
const freeResponses: ResponseHead[] = [];

export function takeRequestHead(): RequestHead {
  return freeRequests.pop() ?? new RequestHead();
}

export function giveRequestHead(head: RequestHead): void {
  head.reset();
  if (freeRequests.length < FREE_MAX_COUNT) freeRequests.push(head);
}

export function takeResponseHead(): ResponseHead {
  return freeResponses.pop() ?? new ResponseHead();
}

export function giveResponseHead(head: ResponseHead): void {
  head.reset();
  if (freeResponses.length < FREE_MAX_COUNT) freeResponses.push(head);
}
