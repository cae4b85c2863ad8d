/**
 * Three (or more) whole nodes in one process: the production driver, LevelDB and TCP, or their twins in memory. Verbs for
 * tests that tell stories: kill, restart, wait for a leader, compare states.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '@flotilla/shared/testing';
import type { CoreConfig } from '../core/config.ts';
import type { ReplicaId } from '../core/types.ts';
import type { SnapshotPolicy } from '../driver/snapshots.ts';
import type { PeerAddress, RaftLogger, RaftMetrics, StateMachine } from '../driver/ports.ts';
import { RaftNode } from '../driver/raft-node.ts';
import { LevelStorage } from '../storage/level-storage.ts';
import { formCluster, replicaOf } from '../transport/formation.ts';
import { TcpTransport } from '../transport/tcp-transport.ts';
import { freePorts } from '@flotilla/shared/testing';
import type { RecordingMachine } from './recording-machine.ts';

export interface Member<M extends StateMachine = RecordingMachine> {
  readonly name: string;
  readonly directory: string;
  readonly port: number;
  replica: ReplicaId;
  node: RaftNode;
  machine: M;
  transport: TcpTransport;
}

export interface ClusterOptions<M extends StateMachine> {
  readonly names: readonly string[];
  readonly machine: () => M;
  readonly core?: Partial<CoreConfig>;
  readonly snapshots?: Partial<SnapshotPolicy>;
  readonly digestEvery?: number;
  readonly logger?: RaftLogger;
  readonly metrics?: (name: string) => RaftMetrics;
}

export class TestCluster<M extends StateMachine = RecordingMachine> {
  readonly members = new Map<string, Member<M>>();
  readonly #options: ClusterOptions<M>;
  readonly #root: string;
  readonly #ports: Map<string, number>;
  readonly #running = new Set<string>();

  private constructor(options: ClusterOptions<M>, root: string, ports: Map<string, number>) {
    this.#options = options;
    this.#root = root;
    this.#ports = ports;
  }

  static async start<M extends StateMachine>(options: ClusterOptions<M>): Promise<TestCluster<M>> {
    const root = await mkdtemp(join(tmpdir(), 'raft-cluster-'));
    const free = await freePorts(options.names.length);
    const ports = new Map(options.names.map((name, i) => [name, free[i] as number]));
    const cluster = new TestCluster(options, root, ports);
    await Promise.all(options.names.map((name) => cluster.startMember(name)));
    cluster.introduce();
    return cluster;
  }

  get running(): Member<M>[] {
    return [...this.members.values()].filter((member) => this.#running.has(member.name));
  }

  /** Everybody learns everybody's address. */
  introduce(): void {
    for (const member of this.running) member.node.setPeers(this.#book());
  }

  async startMember(name: string): Promise<Member<M>> {
    const directory = join(this.#root, name);
    const { core, snapshots, digestEvery, logger, metrics } = this.#options;
    const storage = new LevelStorage({ directory });
    const opened = await storage.open();
    const replica = await replicaOf({ storage, recovered: opened, name });
    const port = this.#ports.get(name) as number;
    const transport = new TcpTransport({
      listen: { host: '127.0.0.1', port },
      clusterName: 'test',
      clusterId: opened.identity?.clusterId ?? '',
      replica,
      secret: 'a secret of the test cluster',
      ...(logger ? { logger } : {}),
    });
    await transport.listen();
    const peers = [...this.#ports].map(([peer, at]) => ({ name: peer, host: '127.0.0.1', port: at }));
    const recovered = await formCluster({ storage, recovered: opened, transport, clusterName: 'test', peers });
    const machine = this.#options.machine();
    const node = new RaftNode({
      storage,
      recovered,
      transport,
      stateMachine: machine,
      ...(core ? { core } : {}),
      ...(snapshots ? { snapshots } : {}),
      ...(digestEvery ? { digestEvery } : {}),
      ...(logger ? { logger } : {}),
      ...(metrics ? { metrics: metrics(name) } : {}),
    });
    const member = { name, directory, port, replica, node, machine, transport };
    this.members.set(name, member);
    this.#running.add(name);
    await node.open();
    this.introduce();
    return member;
  }

  /** Stops without handing anything over, as far as one process can. */
  async kill(name: string): Promise<void> {
    this.#running.delete(name);
    await this.member(name).node.close({ transfer: false });
  }

  /** The test stopped this member itself. */
  forget(name: string): void {
    this.#running.delete(name);
  }

  member(name: string): Member<M> {
    const member = this.members.get(name);
    if (!member) throw new Error(`no member ${name}`);
    return member;
  }

  /** The one leader that all running members agree on. */
  leader(): Promise<Member<M>> {
    return waitFor('one leader', () => {
      const statuses = this.running.map(({ node }) => node.status());
      const leader = statuses[0]?.leader;
      if (!leader || statuses.some((status) => status.leader !== leader)) return null;
      const found = this.running.find((member) => member.replica === leader);
      return found?.node.status().role === 'leader' ? found : null;
    });
  }

  async follower(): Promise<Member<M>> {
    const leader = await this.leader();
    return this.running.find((member) => member !== leader) as Member<M>;
  }

  /** All running members applied the same entries. */
  async converged(): Promise<void> {
    await waitFor('equal states', () => {
      const applied = this.running.map(({ node, machine }) => `${node.status().applied} ${machine.digest()}`);
      return new Set(applied).size === 1;
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.running.map((member) => member.node.close({ transfer: false })));
    this.#running.clear();
    await rm(this.#root, { recursive: true });
  }

  #book(): PeerAddress[] {
    return [...this.members.values()].map(({ replica, port }) => ({ replica, host: '127.0.0.1', port }));
  }
}
