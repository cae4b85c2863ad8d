/**
 * Which HTTP a client speaks: by ALPN under TLS, else by its first bytes, as HTTP/2 by prior knowledge begins with a preface that no
 * request of HTTP/1.1 begins with. Until then nothing is answered and nothing is assumed.
 */
import { Http1Connection } from '../http1/connection.ts';
import type { Accepted, ClientConnection } from '../listeners/connection.ts';
import type { Timer } from '../thread/timers.ts';
import { receive } from '../wire/wire.ts';
import { WATCH_MS } from './limits.ts';
import { PREFACE } from './protocol.ts';
import { Http2Connection } from './server-connection.ts';

/** `PRI * HTTP/2.0`: enough to tell. */
const SIGNATURE = PREFACE.slice(0, 14);

export function acceptHttp(accepted: Accepted): ClientConnection {
  if (accepted.tls === null) return new UndecidedConnection(accepted);
  return accepted.tls.alpn === 'h2' ? new Http2Connection(accepted) : new Http1Connection(accepted);
}

class UndecidedConnection implements ClientConnection {
  readonly #accepted: Accepted;
  readonly #watch: Timer;
  readonly #sinceMs: number;
  readonly #onEnd = () => this.#giveUp();
  readonly #onClose = () => this.#watch.cancel();
  #seen: Buffer | null = null;
  #isEnding = false;
  #decided: Http1Connection | Http2Connection | null = null;

  constructor(accepted: Accepted) {
    const { socket, context } = accepted;
    this.#accepted = accepted;
    this.#sinceMs = context.timers.nowMs;
    this.#watch = context.timers.after(this.#watchMs(), () => this.#check());
    // An error is always followed by `close`.
    socket.on('error', () => {});
    receive(socket, (buffer, length) => this.#look(buffer, length));
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onClose);
  }

  idle(): boolean {
    return this.#decided === null ? this.#seen === null : this.#decided.idle();
  }

  close(): void {
    if (this.#decided === null) this.#giveUp();
    else this.#decided.close();
  }

  expire(): void {
    this.#isEnding = true;
    this.#decided?.expire();
  }

  destroy(): void {
    this.#accepted.socket.destroy();
  }

  #look(buffer: Buffer, length: number): void {
    const seen = this.#seen === null ? '' : this.#seen.toString('latin1');
    const start = seen + buffer.toString('latin1', 0, Math.min(length, SIGNATURE.length));
    if (start.length < SIGNATURE.length && SIGNATURE.startsWith(start)) {
      this.#seen = Buffer.from(start, 'latin1');
      return;
    }
    this.#decide(start.startsWith(SIGNATURE), buffer, length);
  }

  #decide(isHttp2: boolean, buffer: Buffer, length: number): void {
    const seen = this.#seen;
    this.#seen = null;
    const { socket } = this.#accepted;
    this.#watch.cancel();
    socket.off('end', this.#onEnd);
    socket.off('close', this.#onClose);
    this.#decided = isHttp2 ? new Http2Connection(this.#accepted) : new Http1Connection(this.#accepted);
    if (this.#isEnding) this.#decided.expire();
    // As if nobody had looked.
    if (seen === null) this.#decided.received(buffer, length);
    else {
      const all = Buffer.concat([seen, buffer.subarray(0, length)]);
      this.#decided.received(all, all.length);
    }
  }

  /** Nothing was asked, so nothing is answered. */
  #giveUp(): void {
    this.#accepted.socket.destroySoon();
  }

  #check(): void {
    const { listener, context } = this.#accepted;
    const { headerMs, idleMs } = listener.table().spec.timeouts;
    const waitedMs = context.timers.nowMs - this.#sinceMs;
    if (this.#isEnding || listener.closing() || waitedMs >= (this.#seen === null ? idleMs : headerMs)) this.#giveUp();
    else context.timers.restart(this.#watch, this.#watchMs());
  }

  #watchMs(): number {
    const { headerMs, idleMs } = this.#accepted.listener.table().spec.timeouts;
    return Math.min(WATCH_MS, headerMs, idleMs);
  }
}
