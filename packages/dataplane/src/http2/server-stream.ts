/**
 * One request of an HTTP/2 client: turned into the head that the request pipeline knows, its body handed on within the stream's
 * window, its answer written by `response-writer.ts`. Everything between is the same pipeline as for HTTP/1.1.
 */
import type { ListenerTable } from '../config/table.ts';
import { exchangeTimeout } from '../http1/exchange-timeout.ts';
import { FAULT } from '../http1/faults.ts';
import type { Fault } from '../http1/faults.ts';
import { giveRequestHead, takeRequestHead } from '../http1/head.ts';
import type { RequestHead } from '../http1/head.ts';
import { DONE } from '../http1/parse-fields.ts';
import { parseRequest } from '../http1/parse-request.ts';
import type { ListenerStats } from '../metrics/stats-recorder.ts';
import type { ClientSide } from '../request/client.ts';
import type { HttpEngine } from '../request/engine.ts';
import { RequestPipeline } from '../request/pipeline.ts';
import { faultReply, replyText } from '../request/reply.ts';
import type { ProxiedAddresses } from '../upstream/user.ts';
import { grpcDeadlineMs, isGrpc } from './grpc.ts';
import { CODE } from './protocol.ts';
import { requestText, trailerText } from './request-fields.ts';
import { ResponseWriter } from './response-writer.ts';
import type { AnsweredRequest } from './response-writer.ts';
import type { Http2Stream, StreamUser } from './stream.ts';
import { newKey } from './websocket-key.ts';

const CRLF = Buffer.from('\r\n');
const LAST_CHUNK = Buffer.from('0\r\n');

/** The connection, as its streams see it. */
export interface StreamClient {
  readonly remoteAddress: string;
  readonly scheme: 'http' | 'https';
  readonly certificateField: string;
  readonly stats: ListenerStats;
  readonly engine: HttpEngine;
  listener(): ListenerTable;
  addresses(): ProxiedAddresses;
}

export class ServerStream implements ClientSide, StreamUser, AnsweredRequest {
  readonly out: ResponseWriter;
  readonly remoteAddress: string;
  readonly scheme: 'http' | 'https';
  readonly certificateField: string;
  readonly stats: ListenerStats;
  /** The connection's end is said by GOAWAY, not by its answers. */
  readonly isEnding = false;
  isHead = false;
  tunnelKey = '';
  readonly #client: StreamClient;
  readonly #stream: Http2Stream;
  readonly #pipeline: RequestPipeline;
  #head: RequestHead | null = null;
  /** Of a body with a Content-Length: what its DATA frames must still bring. */
  #bodyLeft = 0;
  #bodyBytes = 0;
  #isTunnel = false;
  #isPaused = false;
  /** Its client broke the rules. */
  #isCondemned = false;
  /** Coarse time of the client's last byte, or of the last time that it took some of ours. */
  #sinceMs: number;

  constructor(stream: Http2Stream, client: StreamClient) {
    this.#stream = stream;
    this.#client = client;
    this.remoteAddress = client.remoteAddress;
    this.scheme = client.scheme;
    this.certificateField = client.certificateField;
    this.stats = client.stats;
    this.out = new ResponseWriter(stream, this);
    this.#pipeline = new RequestPipeline(this, client.engine);
    this.#sinceMs = client.engine.context.timers.nowMs;
  }

  listener(): ListenerTable {
    return this.#client.listener();
  }

  addresses(): ProxiedAddresses {
    return this.#client.addresses();
  }

  // ---- the stream's side ----

  fields(fields: string[], endStream: boolean, tooLarge: boolean): void {
    this.#sinceMs = this.#client.engine.context.timers.nowMs;
    if (this.#head !== null || this.#stream.localEnded) this.#trailers(fields, endStream, tooLarge);
    else if (tooLarge) this.#reject(FAULT.headTooLarge);
    else this.#begin(fields, endStream);
  }

  #begin(fields: string[], endStream: boolean): void {
    const text = requestText(fields, endStream, () => (this.tunnelKey = newKey()));
    if (typeof text !== 'string') {
      this.#reject(text);
      return;
    }
    const head = takeRequestHead();
    head.feedText(text);
    // What was checked field by field is now read as a whole, by the parser that reads HTTP/1.1: one line more or less is no request.
    if (parseRequest(head) !== DONE || head.end !== text.length) {
      const fault = head.fault ?? FAULT.headTooLarge;
      giveRequestHead(head);
      this.#reject(fault);
      return;
    }
    this.#head = head;
    this.#bodyLeft = head.contentLength;
    this.isHead = head.method === 'HEAD';
    this.#pipeline.begin(head);
  }

  data(buffer: Buffer, start: number, end: number): void {
    this.#sinceMs = this.#client.engine.context.timers.nowMs;
    if (this.#isTunnel) {
      this.#pipeline.clientTunnelBytes(buffer, start, end);
      return;
    }
    const head = this.#head;
    if (head === null) return;
    const length = end - start;
    this.#bodyBytes += length;
    const { maxRequestBodyBytes } = this.listener().spec;
    if (maxRequestBodyBytes > 0 && this.#bodyBytes > maxRequestBodyBytes) {
      this.#pipeline.fail(FAULT.bodyTooLarge);
      return;
    }
    if (head.chunked) {
      const size = Buffer.from(`${length.toString(16)}\r\n`, 'latin1');
      this.#pipeline.requestBytes(size, 0, size.length);
      this.#pipeline.requestBytes(buffer, start, end);
      this.#pipeline.requestBytes(CRLF, 0, CRLF.length);
      return;
    }
    this.#bodyLeft -= length;
    // More than its length: passed on, the rest would be another request to somebody.
    if (this.#bodyLeft < 0) this.#violation();
    else this.#pipeline.requestBytes(buffer, start, end);
  }

  ended(): void {
    this.#endOfBody('');
  }

  #trailers(fields: string[], endStream: boolean, tooLarge: boolean): void {
    const text = tooLarge || !endStream ? null : trailerText(fields);
    if (text === null) this.#violation();
    else this.#endOfBody(text);
  }

  #endOfBody(trailers: string): void {
    if (this.#isTunnel) {
      this.#pipeline.clientTunnelEnd();
      return;
    }
    const head = this.#head;
    if (head === null) return;
    if (head.chunked) {
      this.#pipeline.requestBytes(LAST_CHUNK, 0, LAST_CHUNK.length);
      if (!this.#pipeline.requestEnd(trailers)) this.#violation();
    } else if (this.#bodyLeft > 0) this.#violation();
    else this.#pipeline.requestEnd('');
  }

  flush(): void {
    this.#pipeline.requestFlush();
  }

  reset(): void {
    this.#pipeline.cancel();
    this.#giveHead();
  }

  drained(): void {
    this.#sinceMs = this.#client.engine.context.timers.nowMs;
    this.#pipeline.clientDrain();
  }

  /** A message that contradicts itself: answered where that is still possible, and taken back in any case. */
  #violation(): void {
    this.#isCondemned = true;
    this.#pipeline.fail(FAULT.badContentLength);
    this.#stream.condemn();
  }

  #reject(fault: Fault): void {
    this.stats.request('', '', fault.status, 0);
    this.stats.error(fault.reason);
    this.out.text(replyText(faultReply(fault), this.#client.engine.dateLine(), false, true));
    this.out.flush();
    this.stats.bytesOut += this.out.takeBytes();
    this.#stream.condemn();
  }

  // ---- the pipeline's wishes ----

  pauseReading(): void {
    this.#isPaused = true;
    this.#stream.pause();
  }

  resumeReading(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#sinceMs = this.#client.engine.context.timers.nowMs;
    this.#stream.resume();
  }

  exchangeDone(): void {
    this.#giveHead();
    this.#sinceMs = this.#client.engine.context.timers.nowMs;
    // An answer that overtook its request: the rest of the request is of no use to anyone.
    if (!this.#isCondemned) this.#stream.abandon();
  }

  abort(): void {
    this.#giveHead();
    if (!this.#isCondemned) this.#stream.reset(CODE.internalError);
  }

  startTunnel(): void {
    this.#giveHead();
    this.#isTunnel = true;
    this.resumeReading();
  }

  tunnelDone(): void {
    this.out.end();
  }

  #giveHead(): void {
    const head = this.#head;
    this.#head = null;
    if (head !== null) giveRequestHead(head);
  }

  // ---- time ----

  /** Called about once a second. */
  checkTimeouts(nowMs: number): void {
    const pipeline = this.#pipeline;
    const { idleMs, tunnelMs } = this.listener().spec.timeouts;
    if (!pipeline.isActive) {
      // All is said, and the client does not take it.
      if (nowMs - this.#sinceMs >= idleMs) this.#stream.reset(CODE.cancel);
      return;
    }
    const { exchange, lastByteMs } = pipeline;
    if (this.#isTunnel || (exchange.responseSent && isGrpc(exchange.head))) {
      // Streams of gRPC may be silent for long, as tunnels may.
      if (nowMs - Math.max(this.#sinceMs, lastByteMs) < tunnelMs) return;
      pipeline.cancel();
      this.#stream.reset(CODE.cancel);
      return;
    }
    // A deadline of the client's own counts where it is later.
    if (!exchange.responseSent && nowMs - exchange.startedCoarseMs < grpcDeadlineMs(exchange.head)) return;
    const readsBody = !exchange.requestDone && !this.#isPaused;
    const fault = exchangeTimeout(exchange, {
      nowMs,
      clientSinceMs: this.#sinceMs,
      backendSinceMs: lastByteMs,
      readsBody,
    });
    if (fault !== null) pipeline.fail(fault);
  }
}
