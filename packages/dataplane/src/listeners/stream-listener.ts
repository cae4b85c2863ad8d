/**
 * One listener over TCP on one proxy thread, whatever it speaks on top: binds with SO_REUSEPORT beside its siblings, admits,
 * finds out who the client is, hands the connection to the protocol, ages it, and drains.
 *
 * A change of configuration only replaces its table; only another port makes another listener.
 */
import { Socket } from 'node:net';
import type { Server } from 'node:net';
import { errorText } from '@flotilla/shared';
import { canonicalAddress, clientNetwork } from '../config/address.ts';
import type { ListenerTable } from '../config/table.ts';
import type { ListenerStats } from '../metrics/stats-recorder.ts';
import type { DataplaneContext } from '../thread/context.ts';
import { Roster } from '../thread/roster.ts';
import type { Placed } from '../thread/roster.ts';
import type { Timer } from '../thread/timers.ts';
import type { Wire } from '../wire/wire.ts';
import { createWireServer } from '../wire/wire-server.ts';
import type { Admission } from './admission.ts';
import { NO_EXTENSIONS } from './connection.ts';
import type { ClientConnection, Endpoints, ListenerHandle, TlsIdentity } from './connection.ts';
import { ACCEPT_BACKLOG_COUNT, CONNECTION_AGE_JITTER_RATIO } from './limits.ts';
import { readProxyHeader } from './proxy-header-reader.ts';
import type { Protocols } from './protocols.ts';
import { TlsTermination } from './tls-termination.ts';

export interface ListenerEnvironment {
  readonly context: DataplaneContext;
  readonly bindAddress: string;
  readonly portOffset: number;
  readonly admission: Admission;
  readonly protocols: Protocols;
}

interface Tracked extends Placed {
  readonly socket: Wire;
  /** null while a PROXY header or a TLS handshake is awaited. */
  connection: ClientConnection | null;
  age: Timer | null;
  /** Counted under this address or network; null: not counted yet. */
  client: string | null;
}

export class StreamListener implements ListenerHandle {
  readonly name: string;
  readonly port: number;
  readonly stats: ListenerStats;
  readonly #environment: ListenerEnvironment;
  readonly #connections = new Roster<Tracked>();
  readonly #tls: TlsTermination;
  #table: ListenerTable;
  #server: Server | null = null;
  #removed = false;

  constructor(table: ListenerTable, environment: ListenerEnvironment) {
    this.name = table.spec.name;
    this.port = table.spec.port + environment.portOffset;
    this.stats = environment.context.stats.listener(this.name);
    this.#environment = environment;
    this.#table = table;
    this.#tls = new TlsTermination(this.name);
  }

  /** Resolves with '' or with what went wrong. */
  async bind(): Promise<string> {
    const fault = this.#configureTls();
    if (fault !== '') return fault;
    const server = createWireServer({
      needsSocket: () => this.#table.spec.protocol === 'https',
      accepted: (wire) => this.#accept(wire),
    });
    const { bindAddress } = this.#environment;
    return new Promise((resolve) => {
      server.once('error', (error) => resolve(`cannot listen on ${bindAddress}:${this.port}: ${errorText(error)}`));
      server.listen({ host: bindAddress, port: this.port, reusePort: true, backlog: ACCEPT_BACKLOG_COUNT }, () => {
        this.#server = server;
        // An accept that fails (no file descriptors left) costs that connection, not the thread.
        server.on('error', (error) =>
          this.#environment.context.log.error({ err: error, listener: this.name }, 'accept'),
        );
        if (this.#removed) server.close();
        resolve('');
      });
    });
  }

  /** New connections and requests follow this table; answers '' or why its TLS settings cannot be followed. */
  update(table: ListenerTable): string {
    this.#table = table;
    return this.#configureTls();
  }

  table(): ListenerTable {
    return this.#table;
  }

  closing(): boolean {
    return this.#removed || this.#environment.context.draining();
  }

  get connectionCount(): number {
    return this.#connections.count;
  }

  /** Accepts no more; what is open may go on until it is closed or destroyed. */
  stopAccepting(): void {
    this.#removed = true;
    this.#server?.close();
    this.#server = null;
  }

  closeConnections(): void {
    for (const { connection } of this.#connections.all()) connection?.close();
  }

  /** Ends what is left at the end of a drain, counts it, and says how many that were. */
  destroyConnections(): number {
    const open = this.#connections.all();
    for (const { connection, socket } of open) {
      this.stats.error('drain-deadline');
      if (connection === null) socket.destroy();
      else connection.destroy();
    }
    return open.length;
  }

  #configureTls(): string {
    const { spec } = this.#table;
    if (spec.protocol !== 'https') return '';
    const { snapshot } = this.#environment.context.table();
    return this.#tls.configure(spec, snapshot.certificates, snapshot.settings.affinityKey);
  }

  #accept(socket: Wire): void {
    const { admission } = this.#environment;
    const { spec } = this.#table;
    const peerIp = socket.remoteAddress;
    if (peerIp === undefined) {
      socket.destroy();
      return;
    }
    if (!admission.enterListener(this.name, spec.maxConnections)) {
      this.stats.error('max-connections');
      socket.resetAndDestroy();
      return;
    }
    const tracked: Tracked = { socket, connection: null, age: null, client: null, position: -1 };
    this.#connections.add(tracked);
    this.stats.open++;
    socket.on('close', () => this.#closed(tracked));
    if (!this.#table.trustsProxyProtocol(peerIp)) {
      this.#identified(tracked, new SocketEndpoints(socket, peerIp));
      return;
    }
    readProxyHeader(
      socket,
      { timers: this.#environment.context.timers, timeoutMs: spec.timeouts.headerMs },
      (result) => {
        if (result.type === 'error') this.#reject(socket, result.reason);
        else this.#identified(tracked, result.endpoints ?? new SocketEndpoints(socket, peerIp));
      },
    );
  }

  #closed(tracked: Tracked): void {
    const { admission } = this.#environment;
    this.#connections.remove(tracked);
    this.stats.open--;
    tracked.age?.cancel();
    admission.leaveListener(this.name);
    if (tracked.client !== null) admission.leaveClient(this.name, tracked.client);
  }

  /** Who the client is is known: the limit per client counts, then TLS or the protocol begins. */
  #identified(tracked: Tracked, endpoints: Endpoints): void {
    const { admission } = this.#environment;
    const { spec } = this.#table;
    const { socket } = tracked;
    const client = clientNetwork(endpoints.clientIp);
    if (!admission.enterClient(this.name, client, spec.maxConnectionsPerClient)) {
      this.#reject(socket, 'max-connections-per-client');
      return;
    }
    tracked.client = client;
    if (spec.protocol !== 'https') {
      this.#start(tracked, { socket, endpoints, tls: null });
      return;
    }
    // Accepted as something else, and its listener speaks TLS since then.
    if (!(socket instanceof Socket)) {
      this.#reject(socket, 'tls-handshake');
      return;
    }
    this.#tls.handshake(socket, (result) => {
      if (result.type === 'error') this.#reject(socket, result.reason);
      else this.#start(tracked, { socket: result.socket, endpoints, tls: result.identity });
    });
  }

  #start(tracked: Tracked, client: { socket: Wire; endpoints: Endpoints; tls: TlsIdentity | null }): void {
    if (tracked.socket.destroyed) return;
    const { context, protocols } = this.#environment;
    const { spec } = this.#table;
    if (spec.protocol === 'udp') return;
    // Reading the PROXY header paused it; before the protocol, which may pause it again.
    if (client.socket.isPaused()) client.socket.resume();
    const connection = protocols[spec.protocol]({ ...client, listener: this, context });
    tracked.connection = connection;
    if (spec.maxConnectionAgeMs <= 0) return;
    const jitter = 1 + (context.random() * 2 - 1) * CONNECTION_AGE_JITTER_RATIO;
    tracked.age = context.timers.after(spec.maxConnectionAgeMs * jitter, () => {
      if (connection.expire === undefined) connection.close();
      else connection.expire();
    });
  }

  #reject(socket: Wire, reason: string): void {
    this.stats.error(reason);
    socket.destroy();
  }
}

/** Our own end is asked of the kernel only where somebody wants to know it: a system call less for most connections. */
class SocketEndpoints implements Endpoints {
  readonly clientIp: string;
  readonly clientPort: number;
  readonly extensions = NO_EXTENSIONS;
  readonly #socket: Wire;

  constructor(socket: Wire, peerIp: string) {
    this.clientIp = canonicalAddress(peerIp);
    this.clientPort = socket.remotePort ?? 0;
    this.#socket = socket;
  }

  get localIp(): string {
    return canonicalAddress(this.#socket.localAddress ?? '');
  }

  get localPort(): number {
    return this.#socket.localPort ?? 0;
  }
}
