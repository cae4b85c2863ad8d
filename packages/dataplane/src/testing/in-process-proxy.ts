/**
 * The HTTP engine on one port of this process, with a routing table of the test's choice: what a proxy thread does, without the
 * thread, so that a test can look inside and a profiler sees one thing only.
 */
import type { AddressInfo, Server } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { BACKEND_SLOTS_MAX } from '@flotilla/shared';
import type { RoutingSnapshot } from '@flotilla/shared';
import { createLogger } from '@flotilla/shared/runtime';
import { buildTable, runtimesOf } from '../config/build-table.ts';
import type { LiveTable } from '../config/build-table.ts';
import { privateCounts, RuntimeRegistry } from '../config/runtime-registry.ts';
import type { Backend, ListenerTable } from '../config/table.ts';
import { acceptHttp } from '../http2/detect.ts';
import { NO_EXTENSIONS } from '../listeners/connection.ts';
import type { ClientConnection, ListenerHandle } from '../listeners/connection.ts';
import { StatsRecorder } from '../metrics/stats-recorder.ts';
import type { DataplaneContext } from '../thread/context.ts';
import { Timers } from '../thread/timers.ts';
import { retireUpstream } from '../request/upstream-pool-of.ts';
import { wireOf } from '../wire/tls-wire.ts';
import type { Wire } from '../wire/wire.ts';
import { createWireServer } from '../wire/wire-server.ts';

export class InProcessProxy {
  readonly timers = new Timers();
  readonly stats = new StatsRecorder();
  readonly accessLines: Record<string, unknown>[] = [];
  readonly outliers: Backend[] = [];
  readonly connections = new Set<ClientConnection>();
  readonly #registry = new RuntimeRegistry(privateCounts(BACKEND_SLOTS_MAX), retireUpstream);
  readonly #listenerName: string;
  #table: LiveTable;
  #server: Server | null = null;
  isDraining = false;
  shedRatio = 0;

  constructor(snapshot: RoutingSnapshot) {
    this.#table = this.#build(snapshot);
    this.#listenerName = snapshot.listeners[0]?.name ?? '';
  }

  get port(): number {
    if (this.#server === null) throw new Error('not listening');
    return (this.#server.address() as AddressInfo).port;
  }

  backend(pool: string, id: string): Backend {
    const backend = this.#table.pools.get(pool)?.backend(id);
    if (backend === null || backend === undefined) throw new Error(`no backend ${pool}/${id}`);
    return backend;
  }

  replace(snapshot: RoutingSnapshot): void {
    this.#table = this.#build(snapshot);
    this.#registry.sweep(runtimesOf(this.#table));
  }

  async listen(options: { readonly port?: number; readonly tls?: { cert: string; key: string } } = {}): Promise<this> {
    const context = this.#context();
    const listener: ListenerHandle = {
      name: this.#listenerName,
      stats: this.stats.listener(this.#listenerName),
      table: () => this.#table.listeners.get(this.#listenerName) as ListenerTable,
      closing: () => this.isDraining,
    };
    /** `alpn` null: without TLS. */
    const accept = (socket: Wire, alpn: string | null) => {
      const endpoints = {
        clientIp: socket.remoteAddress ?? '',
        clientPort: socket.remotePort ?? 0,
        localIp: socket.localAddress ?? '',
        localPort: socket.localPort ?? 0,
        extensions: NO_EXTENSIONS,
      };
      const identity = { serverName: '', protocol: '', cipher: '', clientSubject: '', clientFingerprint: '' };
      const tls = alpn === null ? null : { ...identity, alpn };
      const connection = acceptHttp({ socket, listener, endpoints, tls, context });
      this.connections.add(connection);
      socket.on('close', () => this.connections.delete(connection));
    };
    const secure = { allowHalfOpen: true, noDelay: true, ALPNProtocols: ['h2', 'http/1.1'] };
    const server =
      options.tls === undefined
        ? createWireServer({ needsSocket: () => false, accepted: (wire) => accept(wire, null) })
        : createTlsServer({ ...secure, ...options.tls }, (socket) => accept(wireOf(socket), socket.alpnProtocol || ''));
    this.#server = server;
    this.timers.start();
    await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
    return this;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    for (const connection of this.connections) connection.destroy();
    this.timers.close();
    this.#registry.sweep(new Set());
    if (server !== null) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  #build(snapshot: RoutingSnapshot): LiveTable {
    const inputs = { nowMs: () => performance.now(), logNowMs: () => snapshot.logTimeMs, random: Math.random };
    return buildTable(snapshot, this.#registry, inputs);
  }

  #context(): DataplaneContext {
    return {
      table: () => this.#table,
      stats: this.stats,
      draining: () => this.isDraining,
      random: Math.random,
      nowMs: () => performance.now(),
      timers: this.timers,
      viaName: () => this.#table.snapshot.settings.viaName,
      affinityKey: () => this.#table.snapshot.settings.affinityKey,
      log: createLogger({ level: 'silent', nodeId: 'test', thread: 'proxy-0' }),
      shedRatio: () => this.shedRatio,
      accessLog: (access) => this.accessLines.push({ ...access }),
      reportOutlier: (backend) => this.outliers.push(backend),
    };
  }
}
