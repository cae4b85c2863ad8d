/**
 * What the pipeline says to a client, as a stream of HTTP/2: heads become HEADERS, content becomes DATA, and the end of the message
 * the end of the stream. A message whose length is not known ends with {@link trailers}, as there is no connection to close.
 */
import { giveResponseHead, takeResponseHead } from '../http1/head.ts';
import type { ResponseHead } from '../http1/head.ts';
import { DONE } from '../http1/parse-fields.ts';
import { parseResponse } from '../http1/parse-response.ts';
import type { MessageWriter } from '../request/message-writer.ts';
import { responseFields, trailerFields } from './message-fields.ts';
import { CODE } from './protocol.ts';
import type { Http2Stream } from './stream.ts';
import { acceptsKey } from './websocket-key.ts';

const STATE = { head: 0, body: 1, tunnel: 2, ended: 3 } as const;
const UNKNOWN = -1;

interface Span {
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
  readonly isBorrowed: boolean;
}

/** What the writer must know of the request that it answers. */
export interface AnsweredRequest {
  readonly isHead: boolean;
  /** Sec-WebSocket-Key that we made for it; '' where it is no WebSocket. */
  readonly tunnelKey: string;
}

export class ResponseWriter implements MessageWriter {
  /** Bodies of unknown length need no coding here. */
  readonly framesBodies = true;
  readonly #stream: Http2Stream;
  readonly #request: AnsweredRequest;
  #state: number = STATE.head;
  #items: (string | Span)[] = [];
  #trailers: string | null = null;
  /** Of the body; UNKNOWN: until the trailers. */
  #left = UNKNOWN;
  #bytes = 0;

  constructor(stream: Http2Stream, request: AnsweredRequest) {
    this.#stream = stream;
    this.#request = request;
  }

  get isEmpty(): boolean {
    return this.#items.length === 0 && this.#trailers === null;
  }

  get isCongested(): boolean {
    return this.#stream.isCongested;
  }

  text(latin1: string): void {
    this.#items.push(latin1);
  }

  bytes(buffer: Buffer, start: number, end: number): void {
    this.#items.push({ buffer, start, end, isBorrowed: false });
  }

  copy(buffer: Buffer, start: number, end: number): void {
    this.#items.push({ buffer, start, end, isBorrowed: true });
  }

  /** The message ends after what was collected; `lines` with the empty line after them. */
  trailers(lines: string): void {
    this.#trailers = lines;
  }

  flush(): void {
    const items = this.#items;
    if (items.length > 0) {
      this.#items = [];
      for (const item of items) {
        if (typeof item === 'string') this.#text(item);
        else this.#content(item);
      }
    }
    if (this.#trailers !== null && this.#state === STATE.body) {
      this.#stream.end(this.#trailers.length > 2 ? trailerFields(this.#trailers) : null);
      this.#state = STATE.ended;
    }
    this.#trailers = null;
    this.#stream.pump();
  }

  end(): void {
    this.flush();
    if (this.#state === STATE.ended) return;
    this.#state = STATE.ended;
    this.#stream.end();
    this.#stream.pump();
  }

  discard(): void {
    this.#items = [];
    this.#trailers = null;
  }

  takeBytes(): number {
    const bytes = this.#bytes;
    this.#bytes = 0;
    return bytes;
  }

  #text(text: string): void {
    if (this.#state !== STATE.head) {
      const buffer = Buffer.from(text, 'latin1');
      this.#content({ buffer, start: 0, end: buffer.length, isBorrowed: false });
      return;
    }
    const head = takeResponseHead();
    head.feedText(text);
    const isComplete = parseResponse(head) === DONE;
    const rest = isComplete && head.end < text.length ? text.slice(head.end) : '';
    this.#bytes += text.length - rest.length;
    if (isComplete) this.#head(head);
    else this.#broken();
    giveResponseHead(head);
    if (rest !== '') this.#text(rest);
  }

  #head(head: ResponseHead): void {
    const { status } = head;
    if (status === 101) {
      this.#switched(head);
      return;
    }
    if (status < 200) {
      this.#stream.headers(responseFields(head, status), false);
      return;
    }
    // To a client that opens a tunnel any 2xx says that it stands (RFC 8441 §5): the body would be taken for bytes of the tunnel.
    if (this.#request.tunnelKey !== '' && status < 300) {
      this.#broken();
      return;
    }
    const isBodiless = this.#request.isHead || status === 204 || status === 304 || head.contentLength === 0;
    this.#stream.headers(responseFields(head, status), isBodiless);
    this.#state = isBodiless ? STATE.ended : STATE.body;
    this.#left = head.contentLength >= 0 ? head.contentLength : UNKNOWN;
  }

  /** RFC 8441 §5: a 101 becomes a 200; what proved it to us is nothing to the client. */
  #switched(head: ResponseHead): void {
    if (!acceptsKey(this.#request.tunnelKey, head.field('sec-websocket-accept') ?? '')) {
      this.#broken();
      return;
    }
    const fields = responseFields(head, 200);
    const at = fields.indexOf('sec-websocket-accept');
    if (at > 0) fields.splice(at, 2);
    this.#stream.headers(fields, false);
    this.#state = STATE.tunnel;
  }

  /** The backend's answer is none: whatever follows must not be taken for content. */
  #broken(): void {
    const fields = [':status', '502', 'x-flotilla-error', 'upstream-invalid-response', 'content-length', '0'];
    this.#stream.headers(fields, true);
    this.#stream.abort(CODE.protocolError);
    this.#state = STATE.ended;
  }

  #content(span: Span): void {
    if (this.#state === STATE.ended || this.#state === STATE.head) return;
    const length = span.end - span.start;
    this.#bytes += length;
    this.#stream.queue(span);
    if (this.#state === STATE.tunnel || this.#left === UNKNOWN) return;
    this.#left -= length;
    if (this.#left > 0) return;
    this.#stream.end();
    this.#state = STATE.ended;
  }
}
