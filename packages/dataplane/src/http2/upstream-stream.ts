/**
 * One request to a backend over HTTP/2: what the pipeline has in place of a connection. It reads the response as strictly as the
 * connection of HTTP/1.1 does, and says what a reset means for another try.
 */
import { FAULT } from '../http1/faults.ts';
import type { Fault } from '../http1/faults.ts';
import { giveResponseHead, takeResponseHead } from '../http1/head.ts';
import type { RequestHead, ResponseHead } from '../http1/head.ts';
import { DONE } from '../http1/parse-fields.ts';
import { parseResponse } from '../http1/parse-response.ts';
import { INTERIM_MAX_COUNT } from '../limits.ts';
import type { Placed } from '../thread/roster.ts';
import type { BodyFraming, ProxiedAddresses, UpstreamHandle, UpstreamUser } from '../upstream/user.ts';
import { requestFields } from './message-fields.ts';
import { CODE } from './protocol.ts';
import { trailerText } from './request-fields.ts';
import { RequestWriter } from './request-writer.ts';
import type { StreamOpener } from './request-writer.ts';
import { responseText, statusOf, switchingText } from './response-text.ts';
import type { Http2Stream, StreamUser } from './stream.ts';

/** The connection that carries it. */
export interface StreamCarrier {
  readonly scheme: 'http' | 'https';
  /** New streams may be opened. */
  readonly takesStreams: boolean;
  /** Extended CONNECT (RFC 8441). */
  readonly allowsTunnels: boolean;
  open(user: StreamUser): Http2Stream;
}

/** The connection that it waits for or is on, as its pool knows it. */
export interface StreamPlace {
  remove(stream: UpstreamStream): boolean;
}

/** Who counts it. */
export interface StreamHome {
  /** It is over, or its user gave it up. */
  left(stream: UpstreamStream): void;
}

export class UpstreamStream implements UpstreamHandle, StreamUser, StreamOpener, Placed {
  position = -1;
  readonly out = new RequestWriter(this);
  session: StreamPlace | null = null;
  isReused = false;
  isAnswered = false;
  readonly #home: StreamHome;
  #user: UpstreamUser | null;
  #carrier: StreamCarrier | null = null;
  #stream: Http2Stream | null = null;
  /** The final response's head came. */
  #headSeen = false;
  #framing: BodyFraming = 'none';
  #left = 0;
  #interims = 0;
  /** Sec-WebSocket-Key of the upgrade that became an extended CONNECT; '' without one. */
  #tunnelKey = '';

  constructor(user: UpstreamUser, home: StreamHome) {
    this.#user = user;
    this.#home = home;
  }

  get isConnecting(): boolean {
    return this.#carrier === null;
  }

  addresses(): ProxiedAddresses | null {
    return this.#user?.proxiedAddresses() ?? null;
  }

  /** There is a connection that takes it. */
  carriedBy(carrier: StreamCarrier, isReused: boolean): void {
    this.#carrier = carrier;
    this.isReused = isReused;
  }

  /** As {@link carriedBy}, after a wait of which the user has to be told the end. */
  ready(carrier: StreamCarrier): void {
    this.carriedBy(carrier, false);
    this.#user?.upstreamReady(this);
  }

  /** There will be none. */
  connectFailed(fault: Fault): void {
    const user = this.#take();
    user?.connectFailed(fault);
  }

  // ---- the pipeline's wishes ----

  release(): void {
    this.#take();
    const stream = this.#stream;
    if (stream !== null && !stream.isClosed && !stream.localEnded) stream.reset(CODE.noError);
  }

  destroy(): void {
    this.#take();
    this.#stream?.reset(CODE.cancel);
  }

  finish(): void {
    this.#take();
    this.out.end();
    this.#stream?.abandon();
  }

  pauseReading(): void {
    this.#stream?.pause();
  }

  resumeReading(): void {
    this.#stream?.resume();
  }

  // ---- the request ----

  open(head: RequestHead, endStream: boolean): { stream: Http2Stream; isTunnel: boolean } | null {
    const carrier = this.#carrier;
    if (this.#user === null || carrier === null) return null;
    if (!carrier.takesStreams) {
      this.#take()?.requestRefused(FAULT.upstreamReset, true);
      return null;
    }
    const fields = requestFields(head, carrier.scheme);
    const isTunnel = this.#user.upgradeOffer !== '' && carrier.allowsTunnels && this.#asConnect(head, fields);
    const stream = carrier.open(this);
    this.#stream = stream;
    stream.headers(fields, endStream && !isTunnel);
    return { stream, isTunnel };
  }

  /** RFC 8441: a WebSocket's upgrade as an extended CONNECT. */
  #asConnect(head: RequestHead, fields: string[]): boolean {
    if (head.field('upgrade')?.toLowerCase() !== 'websocket') return false;
    const at = fields.indexOf('sec-websocket-key');
    if (at < 0) return false;
    this.#tunnelKey = fields[at + 1] as string;
    fields.splice(at, 2);
    fields[1] = 'CONNECT';
    fields.splice(2, 0, ':protocol', 'websocket');
    return true;
  }

  // ---- the response ----

  fields(fields: string[], endStream: boolean, tooLarge: boolean): void {
    this.isAnswered = true;
    if (this.#user === null) return;
    if (tooLarge) this.#fail(FAULT.upstreamInvalid);
    else if (this.#headSeen) this.#trailers(fields, endStream);
    else if (this.#tunnelKey !== '' && statusOf(fields) === '200') this.#switched(fields, endStream);
    else this.#head(fields, endStream);
  }

  #head(fields: string[], endStream: boolean): void {
    const head = this.#parsed(responseText(fields, endStream && this.#user?.method !== 'HEAD'));
    if (head === null) return;
    if (head.status < 200) this.#interim(head, endStream);
    else this.#final(head, endStream);
    giveResponseHead(head);
  }

  #parsed(text: string | null): ResponseHead | null {
    const head = takeResponseHead();
    head.feedText(text ?? '');
    if (text !== null && parseResponse(head) === DONE && head.end === text.length) return head;
    giveResponseHead(head);
    this.#fail(FAULT.upstreamInvalid);
    return null;
  }

  #interim(head: ResponseHead, endStream: boolean): void {
    // There is no 101 in HTTP/2, and no message ends with a 1xx.
    if (endStream || head.status === 101 || ++this.#interims > INTERIM_MAX_COUNT) this.#fail(FAULT.upstreamInvalid);
    else this.#user?.interimResponse(head);
  }

  #final(head: ResponseHead, endStream: boolean): void {
    const { status, contentLength } = head;
    const isBodiless = this.#user?.method === 'HEAD' || status === 204 || status === 304;
    this.#left = isBodiless ? 0 : contentLength;
    if (endStream && this.#left > 0) {
      this.#fail(FAULT.upstreamInvalid);
      return;
    }
    this.#headSeen = true;
    if (isBodiless) this.#framing = 'none';
    else this.#framing = contentLength >= 0 ? 'length' : 'close';
    this.#user?.responseHead(head, this.#framing);
    // Unless it was sent elsewhere for its status.
    if (endStream) this.#ended('');
  }

  #switched(fields: string[], endStream: boolean): void {
    const head = this.#parsed(switchingText(fields, this.#tunnelKey));
    if (head === null) return;
    this.#headSeen = true;
    this.#user?.switchedProtocols(head);
    giveResponseHead(head);
    if (endStream) this.#user?.tunnelEnd();
  }

  #trailers(fields: string[], endStream: boolean): void {
    const text = endStream && !this.#isTunnel ? trailerText(fields) : null;
    if (text === null) this.#fail(FAULT.upstreamInvalid);
    else this.#ended(text);
  }

  get #isTunnel(): boolean {
    return this.#tunnelKey !== '' && this.#framing === 'none';
  }

  data(buffer: Buffer, start: number, end: number): void {
    const user = this.#user;
    if (user === null) return;
    if (!this.#headSeen) this.#fail(FAULT.upstreamInvalid);
    else if (this.#isTunnel) user.tunnelBytes(buffer, start, end);
    else if (this.#framing === 'close') user.bodyBytes(buffer, start, end);
    else {
      this.#left -= end - start;
      if (this.#left < 0) this.#fail(FAULT.upstreamInvalid);
      else user.bodyBytes(buffer, start, end);
    }
  }

  ended(): void {
    if (this.#isTunnel && this.#headSeen) this.#user?.tunnelEnd();
    else this.#ended('');
  }

  #ended(trailers: string): void {
    const user = this.#user;
    if (user === null) return;
    if (!this.#headSeen || (this.#framing === 'length' && this.#left > 0)) this.#fail(FAULT.upstreamInvalid);
    else user.responseEnd(trailers);
  }

  flush(): void {
    this.#user?.responseFlush();
  }

  drained(): void {
    this.#user?.upstreamDrain();
  }

  reset(_code: number, unprocessed: boolean): void {
    const goingAway = this.#carrier?.takesStreams === false;
    const user = this.#take();
    if (user === null) return;
    if (unprocessed) user.requestRefused(FAULT.upstreamReset, goingAway);
    else user.responseFailed(FAULT.upstreamReset, this.#headSeen);
  }

  #fail(fault: Fault): void {
    const user = this.#take();
    this.#stream?.reset(CODE.protocolError);
    user?.responseFailed(fault, this.#headSeen);
  }

  /** The user, who hears no more from here. */
  #take(): UpstreamUser | null {
    const user = this.#user;
    if (user === null) return null;
    this.#user = null;
    this.#home.left(this);
    return user;
  }
}
