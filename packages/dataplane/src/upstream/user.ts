/**
 * Who an upstream connection works for: one request at a time. The connection reads and checks, its user decides.
 */
import type { BodySink } from '../http1/chunked-decoder.ts';
import type { Fault } from '../http1/faults.ts';
import type { ResponseHead } from '../http1/head.ts';
import type { MessageWriter } from '../request/message-writer.ts';

/** How the body of a response ends (RFC 9112 §6.3). */
export type BodyFraming = 'none' | 'length' | 'chunked' | 'close';

/** Who the PROXY protocol header tells about. */
export interface ProxiedAddresses {
  readonly sourceAddress: string;
  readonly sourcePort: number;
  readonly destinationAddress: string;
  readonly destinationPort: number;
  /** Extensions (TLVs) that came with a PROXY header of a trusted peer; version 2 passes them on. */
  readonly extensions: Buffer;
}

/** A connection, as its user sees it. */
export interface UpstreamHandle {
  readonly out: MessageWriter;
  readonly isConnecting: boolean;
  /** Carried a request before this one: it may have been closed by the backend meanwhile. */
  readonly isReused: boolean;
  /** Some byte of a response came. */
  readonly isAnswered: boolean;
  /** The whole response was read: back to the pool. */
  release(): void;
  /** Drops it; no further call to the user. */
  destroy(): void;
  /** Delivers what is under way, then closes; no further call to the user. */
  finish(): void;
  pauseReading(): void;
  resumeReading(): void;
}

/** The connections of one proxy thread to one backend, as a request sees them. */
export interface Upstreams {
  /** An HTTP/1.0 server answered last time: it knows no 100 (Continue). */
  readonly speaksHttp10: boolean;
  /**
   * A connection that is ready or still connecting, of which the user will hear; null: queued, or refused and told so before
   * this returns. `fresh`: not an idle one, after one of those turned out to be stale.
   */
  acquire(user: UpstreamUser, fresh: boolean): UpstreamHandle | null;
  /** The user waits no longer in the queue. */
  cancelWaiting(user: UpstreamUser): void;
}

export interface UpstreamUser extends BodySink {
  /** Method of the request, for the framing of its response. */
  readonly method: string;
  /** Protocols that its client would switch to; '' where the connection is to stay with HTTP. */
  readonly upgradeOffer: string;
  proxiedAddresses(): ProxiedAddresses;
  /** Out of the queue with a connection, ready or still connecting. */
  assigned(connection: UpstreamHandle): void;
  /** Connected: the request can be sent. */
  upstreamReady(connection: UpstreamHandle): void;
  /** No connection, nothing was sent. */
  connectFailed(fault: Fault): void;
  /** The backend says that it did nothing with what was sent (RFC 9113 §8.7). `goingAway`: it will not with this connection. */
  requestRefused(fault: Fault, goingAway: boolean): void;
  /** The connection broke before the response was complete. `headSeen`: after its head. */
  responseFailed(fault: Fault, headSeen: boolean): void;
  interimResponse(head: ResponseHead): void;
  /** With the framing `close` a body may have trailers: HTTP/2 ends bodies by its own frames. True: chunks are wanted with their framing, false: content only. */
  responseHead(head: ResponseHead, framing: BodyFraming): boolean;
  /** `trailers`: lines and the empty line, '' for none. */
  responseEnd(trailers: string): void;
  /** After each event that called any of the above: write what was collected. */
  responseFlush(): void;
  switchedProtocols(head: ResponseHead): void;
  /** Valid only during the call, as all bytes from here. */
  tunnelBytes(buffer: Buffer, start: number, end: number): void;
  tunnelEnd(): void;
  upstreamDrain(): void;
}
