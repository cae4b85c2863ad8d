/**
 * One UDP listener on one proxy thread: a session per client address and port, each with its own socket to one backend.
 *
 * The kernel keeps a client on one thread (SO_REUSEPORT hashes addresses and ports). Sessions end after a silence; on a full
 * table new clients are refused and counted, because forgetting an old session would break it without a sign.
 */
import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { errorText } from '@flotilla/shared';
import { canonicalAddress } from '../config/address.ts';
import type { Backend, ListenerTable } from '../config/table.ts';
import type { ListenerStats } from '../metrics/stats-recorder.ts';
import type { DataplaneContext } from '../thread/context.ts';
import type { Timer } from '../thread/timers.ts';
import { chooseByAddress, pickByAddress } from './choose-by-address.ts';
import { logStream } from './stream-log.ts';
import { UDP_SESSIONS_MAX_COUNT, UDP_WAITING_MAX_COUNT } from './limits.ts';
import type { ListenerEnvironment } from './stream-listener.ts';

interface Session {
  readonly backend: Backend;
  readonly socket: Socket;
  readonly idle: Timer;
  readonly startedMs: number;
  readonly client: string;
  bytesIn: number;
  bytesOut: number;
  /** Datagrams that came before the socket was connected; null since then. */
  waiting: Buffer[] | null;
}

export class UdpListener {
  readonly name: string;
  readonly port: number;
  readonly stats: ListenerStats;
  readonly #context: DataplaneContext;
  readonly #bindAddress: string;
  readonly #sessions = new Map<string, Session>();
  #table: ListenerTable;
  #socket: Socket | null = null;
  #removed = false;

  constructor(table: ListenerTable, environment: ListenerEnvironment) {
    this.name = table.spec.name;
    this.port = table.spec.port + environment.portOffset;
    this.#context = environment.context;
    this.stats = this.#context.stats.listener(this.name);
    this.#bindAddress = environment.bindAddress;
    this.#table = table;
  }

  async bind(): Promise<string> {
    const socket = createSocket({ type: isIPv6(this.#bindAddress) ? 'udp6' : 'udp4', reusePort: true });
    return new Promise((resolve) => {
      socket.once('error', (error) =>
        resolve(`cannot listen on ${this.#bindAddress}:${this.port}/udp: ${errorText(error)}`),
      );
      socket.bind({ address: this.#bindAddress, port: this.port }, () => {
        this.#socket = socket;
        socket.on('error', (error) => this.#context.log.error({ err: error, listener: this.name }, 'udp socket'));
        socket.on('message', (datagram, from) => this.#received(datagram, from));
        resolve('');
      });
    });
  }

  update(table: ListenerTable): string {
    this.#table = table;
    return '';
  }

  get connectionCount(): number {
    return this.#sessions.size;
  }

  /** New clients are turned away; sessions go on. */
  stopAccepting(): void {
    this.#removed = true;
    if (this.#sessions.size === 0) this.#closeSocket();
  }

  /** Sessions end by silence only. */
  closeConnections(): void {}

  destroyConnections(): number {
    const count = this.#sessions.size;
    for (const [key, session] of this.#sessions) {
      this.stats.error('drain-deadline');
      this.#end(key, session);
    }
    if (this.#removed) this.#closeSocket();
    return count;
  }

  #received(datagram: Buffer, from: RemoteInfo): void {
    const key = `${from.address}|${from.port}`;
    const session = this.#sessions.get(key) ?? this.#open(key, from);
    if (session === null) return;
    this.#context.timers.restart(session.idle, this.#table.spec.timeouts.udpIdleMs);
    this.stats.bytesIn += datagram.length;
    session.bytesIn += datagram.length;
    if (session.waiting === null) session.socket.send(datagram);
    else if (session.waiting.length < UDP_WAITING_MAX_COUNT) session.waiting.push(datagram);
  }

  #open(key: string, from: RemoteInfo): Session | null {
    if (this.#removed) return null;
    const limit = this.#table.spec.maxConnections;
    if (this.#sessions.size >= Math.min(limit > 0 ? limit : UDP_SESSIONS_MAX_COUNT, UDP_SESSIONS_MAX_COUNT)) {
      this.stats.error('max-connections');
      return null;
    }
    const client = canonicalAddress(from.address);
    const pool = this.#table.matchSni('')?.pool(() => this.#context.random()) ?? null;
    const backend = pool === null ? null : chooseByAddress(this.#context, pool, pickByAddress(client));
    if (backend === null) {
      this.stats.error(pool === null ? 'no-route' : 'no-backend');
      return null;
    }
    const socket = createSocket({ type: isIPv6(backend.host) ? 'udp6' : 'udp4' });
    // The session ends, so that the next datagram may go elsewhere.
    const failed = (): void => {
      backend.runtime.suspectUntilMs = this.#context.nowMs() + this.#table.spec.timeouts.udpIdleMs;
      this.#end(key, session);
    };
    // ECONNREFUSED of an earlier datagram.
    socket.on('error', failed);
    socket.on('message', (answer) => {
      this.stats.bytesOut += answer.length;
      session.bytesOut += answer.length;
      this.#context.timers.restart(session.idle, this.#table.spec.timeouts.udpIdleMs);
      this.#socket?.send(answer, from.port, from.address);
    });
    const idle = this.#context.timers.after(this.#table.spec.timeouts.udpIdleMs, () => this.#end(key, session));
    const session: Session = {
      backend,
      socket,
      idle,
      startedMs: this.#context.nowMs(),
      client,
      bytesIn: 0,
      bytesOut: 0,
      waiting: [],
    };
    // Connected, so that the kernel drops what strangers send to it.
    socket.connect(backend.port, backend.host, (error?: Error | null) => {
      if (this.#sessions.get(key) !== session) return;
      // No such name, no way there: told to the callback alone.
      if (error instanceof Error) {
        failed();
        return;
      }
      for (const datagram of session.waiting ?? []) socket.send(datagram);
      session.waiting = null;
    });
    backend.runtime.begin();
    this.stats.open++;
    this.#sessions.set(key, session);
    return session;
  }

  #end(key: string, session: Session): void {
    if (this.#sessions.get(key) !== session) return;
    this.#sessions.delete(key);
    session.idle.cancel();
    session.socket.close();
    session.backend.runtime.end();
    this.stats.open--;
    this.stats.request(session.backend.pool, session.backend.id, 0, this.#context.nowMs() - session.startedMs);
    logStream(this.#context, this.#table.spec, { ...session, serverName: '', reason: '' });
    if (this.#removed && this.#sessions.size === 0) this.#closeSocket();
  }

  #closeSocket(): void {
    this.#socket?.close();
    this.#socket = null;
  }
}
