/**
 * Proxies a raw stream (`tcp`, or `tls` passed through by SNI): bytes both ways with backpressure, half-close kept, an idle limit.
 *
 * It never looks at the bytes, but for the ClientHello of a `tls` listener, which is passed on as it came.
 */
import type { Socket } from 'node:net';
import type { Pool } from '../config/table.ts';
import { SocketWriter } from '../http1/socket-writer.ts';
import type { Timer } from '../thread/timers.ts';
import { proxyHeader } from '../upstream/proxy-header-out.ts';
import { writesOf } from '../wire/handle-writes.ts';
import { receive } from '../wire/wire.ts';
import type { Wire } from '../wire/wire.ts';
import { parseClientHello } from './client-hello.ts';
import { proxiedAddresses } from './connection.ts';
import type { Accepted, ClientConnection } from './connection.ts';
import { logStream } from './stream-log.ts';
import { connectUpstream } from './stream-upstream.ts';
import type { Upstream } from './stream-upstream.ts';

export class StreamProxy implements ClientConnection {
  readonly #accepted: Accepted;
  readonly #startedMs: number;
  #upstream: Upstream | null = null;
  #giveUp: () => void = () => {};
  #idle: Timer | null = null;
  #idleMs = 0;
  #serverName = '';
  #clientEnded = false;
  #reason = '';
  #bytesIn = 0;
  #bytesOut = 0;
  /** By the coarse clock. */
  #lastByteMs = 0;

  constructor(accepted: Accepted) {
    this.#accepted = accepted;
    this.#startedMs = accepted.context.nowMs();
    accepted.socket.once('close', (hadError) => this.#closed(hadError));
    const { spec } = accepted.listener.table();
    if (spec.protocol === 'tls') this.#readClientHello(spec.timeouts.headerMs);
    else this.#route('', null);
  }

  /** A stream is under way from its first moment to its last. */
  idle(): boolean {
    return false;
  }

  /** Streams end by themselves or at the deadline of a drain. */
  close(): void {}

  /** Orderly: both sides see the end of the stream, not a reset. */
  expire(): void {
    this.#fail('connection-age');
  }

  destroy(): void {
    if (this.#reason === '') this.#reason = 'drain-deadline';
    this.#accepted.socket.destroy();
  }

  #readClientHello(timeoutMs: number): void {
    const { socket, context } = this.#accepted;
    let seen: Buffer = Buffer.alloc(0);
    const timer = context.timers.after(timeoutMs, () => this.#fail('client-hello-timeout'));
    const ended = (): void => this.#fail('client-hello-missing');
    const received = (buffer: Buffer, length: number): void => {
      seen = Buffer.concat([seen, buffer.subarray(0, length)]);
      const result = parseClientHello(seen);
      if (result.type === 'more') return;
      timer.cancel();
      socket.off('end', ended);
      if (result.type === 'error') this.#fail(result.reason);
      else this.#route(result.serverName, seen);
    };
    receive(socket, { received });
    socket.once('end', ended);
    socket.once('close', () => timer.cancel());
  }

  #route(serverName: string, head: Buffer | null): void {
    const { socket, context, listener } = this.#accepted;
    this.#serverName = serverName;
    // Not before there is somewhere to send it.
    socket.pause();
    const route = listener.table().matchSni(serverName);
    const pool = route?.pool(() => context.random()) ?? null;
    if (pool === null) {
      this.#fail('no-route');
      return;
    }
    this.#giveUp = connectUpstream(this.#accepted, pool, (upstream) => {
      if (upstream === null) this.#fail('no-backend');
      else this.#established(upstream, pool, head);
    });
  }

  #established(upstream: Upstream, pool: Pool, head: Buffer | null): void {
    const { socket: client, context, endpoints, listener } = this.#accepted;
    this.#giveUp = () => {};
    this.#upstream = upstream;
    const toUpstream = new SocketWriter(upstream.socket);
    const toClient = new SocketWriter(client);
    toUpstream.writeThrough(writesOf(upstream.socket));
    const { proxyProtocol } = pool.spec.upstream;
    if (proxyProtocol !== 'none') toUpstream.text(proxyHeader(proxyProtocol, proxiedAddresses(endpoints)));
    this.#idleMs = listener.table().spec.timeouts.tunnelMs;
    this.#lastByteMs = context.nowMs();
    this.#idle = context.timers.after(this.#idleMs, () => this.#checkIdle());
    const { stats } = listener;
    const received = (buffer: Buffer, length: number): void => {
      stats.bytesIn += length;
      this.#bytesIn += length;
      this.#pass(buffer, length, client, toUpstream);
    };
    if (head !== null) received(head, head.length);
    else toUpstream.flush();
    receive(client, { received });
    upstream.receiver = (buffer, length) => {
      stats.bytesOut += length;
      this.#bytesOut += length;
      this.#pass(buffer, length, upstream.socket, toClient);
    };
    client.on('end', () => {
      this.#clientEnded = true;
      toUpstream.end();
    });
    upstream.socket.on('end', () => toClient.end());
    upstream.socket.on('drain', () => client.resume());
    client.on('drain', () => upstream.socket.resume());
    upstream.socket.once('close', (hadError) => {
      if (hadError) client.resetAndDestroy();
      else toClient.end();
    });
    client.resume();
  }

  #pass(buffer: Buffer, length: number, from: Wire, to: SocketWriter): void {
    this.#lastByteMs = this.#accepted.context.timers.nowMs;
    to.copy(buffer, 0, length);
    to.flush();
    if (to.isCongested) from.pause();
  }

  /** The timer was set at the first byte; later ones only note their time. */
  #checkIdle(): void {
    const { context } = this.#accepted;
    const leftMs = this.#lastByteMs + this.#idleMs - context.nowMs();
    if (leftMs <= 0 || this.#idle === null) this.#fail('stream-idle-timeout');
    else context.timers.restart(this.#idle, leftMs);
  }

  #fail(reason: string): void {
    this.#reason = reason;
    this.#accepted.listener.stats.error(reason);
    this.#accepted.socket.destroy();
  }

  /** What the client said before its end reaches the backend, for as long as an idle stream may last. */
  #deliver(upstream: Socket): void {
    const giveUp = this.#accepted.context.timers.after(this.#idleMs, () => upstream.destroy());
    upstream.once('close', () => giveUp.cancel());
    // A thread that ends does not wait for it.
    upstream.unref();
    upstream.destroySoon();
  }

  /** Both directions are over, or the client's end was lost. */
  #closed(hadError: boolean): void {
    this.#idle?.cancel();
    this.#giveUp();
    const { context, listener, endpoints } = this.#accepted;
    const { backend, socket } = this.#upstream ?? { backend: null, socket: null };
    if (hadError || !this.#clientEnded || this.#reason !== '') socket?.destroy();
    else if (socket !== null) this.#deliver(socket);
    if (backend !== null) listener.stats.request(backend.pool, backend.id, 0, context.nowMs() - this.#startedMs);
    logStream(context, listener.table().spec, {
      client: endpoints.clientIp,
      serverName: this.#serverName,
      reason: this.#reason,
      backend,
      startedMs: this.#startedMs,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
    });
  }
}
