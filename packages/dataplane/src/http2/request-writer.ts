/**
 * What the pipeline says to a backend, as a stream of HTTP/2. A chunked body is decoded again on the way: the pipeline keeps bodies in
 * the form in which HTTP/1.1 sends them.
 */
import { ChunkedDecoder } from '../http1/chunked-decoder.ts';
import type { BodySink } from '../http1/chunked-decoder.ts';
import { giveRequestHead, takeRequestHead } from '../http1/head.ts';
import type { RequestHead } from '../http1/head.ts';
import { DONE } from '../http1/parse-fields.ts';
import { parseRequest } from '../http1/parse-request.ts';
import type { MessageWriter } from '../request/message-writer.ts';
import { trailerFields } from './message-fields.ts';
import type { Http2Stream } from './stream.ts';

const STATE = { head: 0, body: 1, tunnel: 2, ended: 3 } as const;

/** Opens the stream for a head; null: it cannot, and whoever waits was told. */
export interface StreamOpener {
  open(head: RequestHead, endStream: boolean): { readonly stream: Http2Stream; readonly isTunnel: boolean } | null;
}

export class RequestWriter implements MessageWriter, BodySink {
  readonly framesBodies = false;
  readonly #opener: StreamOpener;
  #items: (string | Buffer)[] = [];
  #state: number = STATE.head;
  #stream: Http2Stream | null = null;
  #chunked: ChunkedDecoder | null = null;
  #left = 0;
  #bytes = 0;

  constructor(opener: StreamOpener) {
    this.#opener = opener;
  }

  get isEmpty(): boolean {
    return this.#items.length === 0;
  }

  get isCongested(): boolean {
    return this.#stream?.isCongested ?? false;
  }

  text(latin1: string): void {
    this.#items.push(latin1);
  }

  bytes(buffer: Buffer, start: number, end: number): void {
    this.#items.push(buffer.subarray(start, end));
  }

  copy(buffer: Buffer, start: number, end: number): void {
    this.#items.push(Buffer.concat([buffer.subarray(start, end)]));
  }

  trailers(lines: string): void {
    this.text(lines);
  }

  flush(): void {
    if (this.#items.length === 0) return;
    const items = this.#items;
    this.#items = [];
    for (const item of items) {
      this.#bytes += item.length;
      if (this.#state === STATE.head) this.#head(String(item));
      else this.#content(typeof item === 'string' ? Buffer.from(item, 'latin1') : item);
    }
    this.#stream?.pump();
  }

  end(): void {
    this.flush();
    if (this.#state === STATE.ended) return;
    this.#end([]);
    this.#stream?.pump();
  }

  discard(): void {
    this.#items = [];
  }

  takeBytes(): number {
    const bytes = this.#bytes;
    this.#bytes = 0;
    return bytes;
  }

  #head(text: string): void {
    const head = takeRequestHead();
    head.feedText(text);
    // It was parsed when it came, and written by us: it parses.
    if (parseRequest(head) === DONE) this.#open(head);
    giveRequestHead(head);
  }

  #open(head: RequestHead): void {
    const { chunked, contentLength } = head;
    const isBodiless = !chunked && contentLength <= 0;
    const opened = this.#opener.open(head, isBodiless);
    if (opened === null) {
      this.#state = STATE.ended;
      return;
    }
    this.#stream = opened.stream;
    if (opened.isTunnel) this.#state = STATE.tunnel;
    else if (isBodiless) this.#state = STATE.ended;
    else {
      this.#state = STATE.body;
      this.#left = contentLength;
      if (chunked) (this.#chunked = new ChunkedDecoder()).reset(false);
    }
  }

  #content(buffer: Buffer): void {
    if (this.#state === STATE.ended) return;
    const decoder = this.#chunked;
    if (decoder !== null) {
      decoder.decode(buffer, 0, buffer.length, this);
      if (decoder.done) this.#end(decoder.trailers === '' ? [] : trailerFields(decoder.trailers));
      return;
    }
    this.bodyBytes(buffer, 0, buffer.length);
    if (this.#state === STATE.tunnel) return;
    this.#left -= buffer.length;
    if (this.#left <= 0) this.#end([]);
  }

  /** From the decoder: content without its framing. */
  bodyBytes(buffer: Buffer, start: number, end: number): void {
    this.#stream?.queue({ buffer, start, end, isBorrowed: false });
  }

  #end(trailers: readonly string[]): void {
    this.#state = STATE.ended;
    this.#stream?.end(trailers);
  }
}
