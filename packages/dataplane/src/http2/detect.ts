/**
 * Which HTTP a client speaks: by ALPN under TLS, else by its first bytes, as HTTP/2 by prior knowledge begins with a preface that no
 * request of HTTP/1.1 begins with. Until they differ from it nothing is answered.
 */
import { Http1Connection } from '../http1/connection.ts';
import type { Accepted, ClientConnection } from '../listeners/connection.ts';
import { receive } from '../wire/wire.ts';
import { PREFACE } from './protocol.ts';
import { Http2Connection } from './server-connection.ts';

/** `PRI * HTTP/2.0`: enough to tell. */
const SIGNATURE = Buffer.from(PREFACE.slice(0, 14), 'latin1');

export function acceptHttp(accepted: Accepted): ClientConnection {
  if (accepted.tls === null) return new UndecidedConnection(accepted);
  return accepted.tls.alpn === 'h2' ? new Http2Connection(accepted) : new Http1Connection(accepted);
}

/**
 * A connection of HTTP/1.1 until its first bytes have turned out to be a preface: the beginning of one is also that of a request,
 * and a client that stops there has the time of a request's head.
 */
class UndecidedConnection implements ClientConnection {
  readonly #accepted: Accepted;
  readonly #http1: Http1Connection;
  #http2: Http2Connection | null = null;
  #isEnding = false;
  /** Bytes of the signature that came. */
  #seen = 0;

  constructor(accepted: Accepted) {
    this.#accepted = accepted;
    this.#http1 = new Http1Connection(accepted);
    receive(accepted.socket, this);
  }

  idle(): boolean {
    return (this.#http2 ?? this.#http1).idle();
  }

  close(): void {
    (this.#http2 ?? this.#http1).close();
  }

  expire(): void {
    this.#isEnding = true;
    (this.#http2 ?? this.#http1).expire();
  }

  destroy(): void {
    this.#accepted.socket.destroy();
  }

  received(buffer: Buffer, length: number): void {
    let at = 0;
    while (at < length && this.#seen < SIGNATURE.length && buffer[at] === SIGNATURE[this.#seen]) {
      this.#seen++;
      at++;
    }
    if (this.#seen === SIGNATURE.length) this.#becomeHttp2(buffer, at, length);
    else {
      if (at < length) receive(this.#accepted.socket, this.#http1);
      this.#http1.received(buffer, length);
    }
  }

  #becomeHttp2(buffer: Buffer, start: number, length: number): void {
    this.#http1.left();
    const http2 = new Http2Connection(this.#accepted);
    this.#http2 = http2;
    if (this.#isEnding) http2.expire();
    const all = Buffer.concat([SIGNATURE, buffer.subarray(start, length)]);
    http2.received(all, all.length);
  }
}
