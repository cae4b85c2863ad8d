/**
 * From an empty or full data directory to a raft node that knows its cluster: opens the store, listens for the others,
 * forms a new cluster with the first members or joins one that exists. Takes as long as it takes; says what it waits for.
 */
import { join as joinPath } from 'node:path';
import {
  formCluster,
  LevelStorage,
  RaftNode,
  type RaftMetrics,
  type Recovered,
  replicaOf,
  type SeedAddress,
  TcpTransport,
  type TransportTls,
} from '@flotilla/raft';
import { errorText, FlotillaError } from '@flotilla/shared';
import type { Logger } from '@flotilla/shared/runtime';
import { digestEveryCount, featureLevel, joinRetryMs } from '../limits.ts';
import type { ControlSettings, Credentials, HostPort } from '../ports.ts';
import { ClusterStateMachine } from '../state/index.ts';
import { finishRecovery } from '../recovery/recover.ts';
import { foundFromRestored } from '../recovery/restore.ts';
import { formatHostPort, parseHostPort } from './address-book.ts';
import { askToJoin } from './node-call.ts';
import { nodeTlsOf } from './node-tls.ts';

export interface Opened {
  readonly raft: RaftNode;
  readonly machine: ClusterStateMachine;
  readonly recovered: Recovered;
  /** What this node tells the others to reach it. */
  readonly raftAddress: string;
  /** Addresses that a join told, by replica. */
  readonly told: ReadonlyMap<string, HostPort>;
}

export class Boot {
  readonly #settings: ControlSettings;
  #credentials: Credentials;
  readonly #log: Logger;
  readonly #metrics: RaftMetrics;
  readonly #abort = new AbortController();
  #storage: LevelStorage | null = null;
  #transport: TcpTransport | null = null;
  #port = 0;
  /** What is being waited for, for people. */
  progress = 'starting';

  constructor(settings: ControlSettings, log: Logger, metrics: RaftMetrics) {
    this.#settings = settings;
    this.#credentials = settings;
    this.#log = log;
    this.#metrics = metrics;
  }

  get raftAddress(): HostPort {
    return { host: this.#settings.raftListen.host, port: this.#port };
  }

  /** Null where it was aborted; nothing is left open then. */
  async open(api: string): Promise<Opened | null> {
    try {
      return await this.#open(api);
    } catch (error) {
      await this.#transport?.close();
      await this.#storage?.close();
      if (this.#abort.signal.aborted) return null;
      throw error;
    }
  }

  /** Throws where the certificate of the node cannot be used. */
  renew(credentials: Credentials): void {
    const tls = transportTls(credentials);
    if (tls !== null) this.#transport?.renewTls(tls);
    this.#credentials = credentials;
  }

  /** Stops waiting. */
  abort(): void {
    this.#abort.abort();
  }

  async #open(api: string): Promise<Opened> {
    const settings = this.#settings;
    this.progress = 'opening the store';
    if (finishRecovery(settings.dataDir))
      this.#log.info({ dataDir: settings.dataDir }, 'a recovery broke off: it is done');
    if (await foundFromRestored(settings.dataDir, settings.nodeId))
      this.#log.info({ dataDir: settings.dataDir }, 'a new cluster of one out of a backup');
    const storage = (this.#storage = new LevelStorage({ directory: joinPath(settings.dataDir, 'raft') }));
    const recovered = await storage.open();
    const replica = await replicaOf({ storage, recovered, name: settings.nodeId });
    const transport = (this.#transport = this.#createTransport(replica));
    await transport.listen();
    this.#port = transport.port;
    const raftAddress = formatHostPort(settings.raftAdvertise ?? this.raftAddress);
    const told = new Map<string, HostPort>();
    const peers =
      recovered.identity === null ? await this.#firstContacts({ api, raft: raftAddress, replica, told }) : [];
    const formed = await formCluster({
      storage,
      recovered,
      transport,
      clusterName: settings.clusterName,
      peers,
      join: settings.join !== null,
      logger: this.#log,
      signal: this.#abort.signal,
    });
    this.progress = 'reading the state';
    const machine = new ClusterStateMachine({
      pause: () => new Promise((resolve) => void setImmediate(resolve)),
      featureLevel: settings.featureLevel ?? featureLevel,
    });
    const raft = new RaftNode({
      storage,
      recovered: formed,
      transport,
      stateMachine: machine,
      logger: this.#log,
      metrics: this.#metrics,
      digestEvery: digestEveryCount,
    });
    return { raft, machine, recovered: formed, raftAddress, told };
  }

  #createTransport(replica: string): TcpTransport {
    const { raftListen, raftAdvertise, clusterName, clusterSecret } = this.#settings;
    const tls = transportTls(this.#credentials);
    return new TcpTransport({
      listen: raftListen,
      clusterName,
      replica,
      clusterId: '',
      secret: clusterSecret,
      logger: this.#log,
      metrics: this.#metrics,
      ...(raftAdvertise === null ? {} : { advertise: raftAdvertise }),
      ...(tls === null ? {} : { tls }),
    });
  }

  /** The first members, or those that the cluster to join names. */
  async #firstContacts(own: {
    readonly api: string;
    readonly raft: string;
    readonly replica: string;
    readonly told: Map<string, HostPort>;
  }): Promise<SeedAddress[]> {
    const { join, peers, nodeId, joinToken = null } = this.#settings;
    if (join === null) {
      const others = peers.filter(({ id }) => id !== nodeId).map(({ id }) => id);
      this.progress = `waiting for ${others.join(', ')} to form the cluster`;
      return peers.map(({ id, host, port }) => ({ name: id, host, port }));
    }
    for (;;) {
      this.progress = `asking ${formatHostPort(join)} to join its cluster`;
      try {
        const { version, clusterName, featureLevel: level = featureLevel } = this.#settings;
        const { raft, api, replica } = own;
        const request = { id: nodeId, raft, api, replica, version, clusterName, featureLevel: level };
        const tls = nodeTlsOf(this.#credentials);
        const answer = await askToJoin({ api: join, token: joinToken, tls, request });
        return answer.members.flatMap(({ id, replica, raft }) => {
          const address = parseHostPort(raft);
          if (address === null || id === nodeId) return [];
          own.told.set(replica, address);
          return [{ name: id, ...address }];
        });
      } catch (error) {
        const reason = error instanceof FlotillaError ? `${error.message}. ${error.hint}` : errorText(error);
        this.progress = `cannot join yet: ${reason}`;
        this.#log.warn({ reason }, 'cannot join yet');
        await abortablePause(joinRetryMs, this.#abort.signal);
      }
    }
  }
}

function transportTls({ raftTls }: Credentials): TransportTls | null {
  return raftTls === null ? null : { ca: raftTls.caPem, cert: raftTls.certPem, key: raftTls.keyPem };
}

function abortablePause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(new Error('stopped'));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
