/**
 * The chunked coding (RFC 9112 §7.1), strict: hexadecimal digits only, CRLF only, extensions and trailers bounded.
 *
 * It finds spans of the input that can be passed on: in `raw` form the chunks with their framing as they are (each byte of it
 * was checked), in `data` form the content alone. Extensions are never passed on. Trailers are collected and handed over at the end.
 */
import { CHUNK_EXTENSIONS_MAX_BYTES, CHUNK_SIZE_MAX_DIGITS, TRAILERS_MAX_BYTES } from '../limits.ts';
import { CR, HEX_VALUE, LF, SEMICOLON } from './bytes.ts';
import { EXTENSION_FAULT, EXTENSION_START, mayExtensionEnd, nextExtensionState } from './chunk-extension.ts';
import { FAULT } from './faults.ts';
import type { Fault } from './faults.ts';

export interface BodySink {
  /** Valid only during the call: the buffer may be reused. */
  bodyBytes(buffer: Buffer, start: number, end: number): void;
}

const END_OF_TRAILERS = 0x0d0a0d0a;
const STATE = {
  sizeFirst: 0,
  size: 1,
  extension: 2,
  sizeLf: 3,
  data: 4,
  dataCr: 5,
  dataLf: 6,
  trailerStart: 7,
  trailer: 8,
  endLf: 9,
  done: 10,
} as const;

export class ChunkedDecoder {
  #state: number = STATE.sizeFirst;
  #raw = true;
  #size = 0;
  #digits = 0;
  #left = 0;
  #extensionBytes = 0;
  #extension: number = EXTENSION_START;
  /** The last four bytes of the trailers: where they are CR LF CR LF, the body ends. */
  #tail = 0;
  /** Content bytes so far, framing aside. */
  contentBytes = 0;
  fault: Fault | null = null;
  /** Trailer lines with the final empty line, to be parsed as fields; '' where there are none. */
  trailers = '';

  get done(): boolean {
    return this.#state === STATE.done;
  }

  reset(raw: boolean): void {
    this.#state = STATE.sizeFirst;
    this.#raw = raw;
    this.#tail = 0;
    this.#extensionBytes = 0;
    this.contentBytes = 0;
    this.fault = null;
    this.trailers = '';
  }

  /**
   * Reads from `start`, gives spans to `sink`, returns where it stopped: at `end`, after the body, or at a fault. In raw
   * form the spans end before the empty line that ends the body: whoever writes the trailers writes that too.
   */
  decode(buffer: Buffer, start: number, end: number, sink: BodySink): number {
    let at = start;
    let span = start;
    while (at < end && this.#state !== STATE.done) {
      if (this.#state === STATE.data) {
        const taken = Math.min(this.#left, end - at);
        this.#left -= taken;
        this.contentBytes += taken;
        if (!this.#raw) sink.bodyBytes(buffer, at, at + taken);
        at += taken;
        if (this.#left === 0) this.#state = STATE.dataCr;
        continue;
      }
      const before = this.#state;
      this.#step(buffer[at] as number);
      if (this.fault !== null) return at;
      // An extension and the trailers are not part of a span.
      if (this.#raw && before !== this.#state) {
        if (this.#state === STATE.extension || before === STATE.trailerStart) {
          if (at > span) sink.bodyBytes(buffer, span, at);
          span = end;
        } else if (before === STATE.extension) span = at;
      }
      at++;
    }
    if (this.#raw && at > span && this.#isSpanning()) sink.bodyBytes(buffer, span, at);
    return at;
  }

  #isSpanning(): boolean {
    return this.#state !== STATE.extension && this.#state < STATE.trailer;
  }

  #step(code: number): void {
    switch (this.#state) {
      case STATE.sizeFirst:
        this.#size = 0;
        this.#digits = 0;
        if ((HEX_VALUE[code] as number) > 15) this.fault = FAULT.badChunkSize;
        this.#state = STATE.size;
        this.#sizeByte(code);
        break;
      case STATE.size:
        this.#sizeByte(code);
        break;
      case STATE.extension:
        this.#extensionByte(code);
        break;
      case STATE.sizeLf:
        if (code !== LF) this.fault = FAULT.bareCr;
        this.#left = this.#size;
        this.#state = this.#size === 0 ? STATE.trailerStart : STATE.data;
        break;
      case STATE.dataCr:
        if (code !== CR) this.fault = FAULT.badChunk;
        this.#state = STATE.dataLf;
        break;
      case STATE.dataLf:
        if (code !== LF) this.fault = FAULT.badChunk;
        this.#state = STATE.sizeFirst;
        break;
      default:
        this.#trailerByte(code);
    }
  }

  #sizeByte(code: number): void {
    const digit = HEX_VALUE[code] as number;
    if (digit <= 15) {
      if (++this.#digits > CHUNK_SIZE_MAX_DIGITS) this.fault = FAULT.badChunkSize;
      this.#size = this.#size * 16 + digit;
    } else if (code === CR) this.#state = STATE.sizeLf;
    else if (code === SEMICOLON) {
      this.#state = STATE.extension;
      this.#extension = EXTENSION_START;
    } else this.fault = code === LF ? FAULT.bareLf : FAULT.badChunkSize;
  }

  #extensionByte(code: number): void {
    if (code === CR && mayExtensionEnd(this.#extension)) {
      this.#state = STATE.sizeLf;
      return;
    }
    this.#extension = nextExtensionState(this.#extension, code);
    if (this.#extension === EXTENSION_FAULT || ++this.#extensionBytes > CHUNK_EXTENSIONS_MAX_BYTES)
      this.fault = FAULT.badChunkExtension;
  }

  #trailerByte(code: number): void {
    switch (this.#state) {
      case STATE.trailerStart:
        if (code === CR) this.#state = STATE.endLf;
        else {
          this.#state = STATE.trailer;
          this.#collect(code);
        }
        break;
      case STATE.trailer:
        this.#collect(code);
        if (this.#tail === END_OF_TRAILERS) this.#state = STATE.done;
        break;
      default:
        if (code !== LF) this.fault = FAULT.bareCr;
        this.#state = STATE.done;
    }
  }

  #collect(code: number): void {
    this.trailers += String.fromCharCode(code);
    this.#tail = ((this.#tail << 8) | code) >>> 0;
    if (this.trailers.length > TRAILERS_MAX_BYTES) this.fault = FAULT.trailersTooLarge;
  }
}
