/**
 * A cluster of real processes on this machine: nodes with their own data directories and sample backends, on ports of
 * their own, all gone when the test is over.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { waitFor } from '@flotilla/shared/testing';
import { apiOf } from './api.ts';
import type { ApiCall } from './api.ts';
import { stablePorts } from './ports.ts';
import { FlotillaProcess } from './process.ts';

/** Listener `web` as configured; each node adds its offset to get at its own port. */
const WEB_PORT = 8080;
const READY_WITHIN_MS = 75_000;

export interface ClusterOptions {
  readonly nodes?: number;
  readonly backends?: number;
  readonly proxyThreads?: number;
  /** Merged into pool `api`. */
  readonly pool?: Readonly<Record<string, unknown>>;
  /** The whole first configuration, instead of the listener `web` and the pool `api`. */
  readonly document?: object;
  /** More settings for every node. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  /** More of it for one node, whose files are in `directory`. */
  readonly envOf?: (id: string, directory: string) => Readonly<Record<string, string>>;
}

export interface NodeStatus {
  readonly node: { readonly id: string; readonly incarnation: string; readonly startedAt: string };
  readonly role: string;
  readonly leader: { readonly id: string; readonly api: string } | null;
  readonly quorum: boolean;
  readonly appliedIndex: number;
  readonly revision: number;
  readonly digest: string;
  readonly staleMs: number;
}

export class ClusterNode {
  readonly id: string;
  readonly api: string;
  readonly webPort: number;
  readonly settingsFile: string;
  readonly process: FlotillaProcess;
  readonly call: ApiCall;

  constructor(
    id: string,
    ports: { api: number; web: number },
    settingsFile: string,
    env: Readonly<Record<string, string>>,
  ) {
    this.id = id;
    this.api = `127.0.0.1:${ports.api}`;
    this.webPort = ports.web;
    this.settingsFile = settingsFile;
    this.process = new FlotillaProcess(['node', '--config', settingsFile, '--stop-on-stdin-close'], env);
    this.call = apiOf(`http://${this.api}`);
  }

  get isRunning(): boolean {
    return this.process.isRunning;
  }

  async isReady(): Promise<boolean> {
    return (await this.call('GET', '/ready', { timeoutMs: 2_000 })).status === 200;
  }

  waitReady(timeoutMs = READY_WITHIN_MS): Promise<boolean> {
    return waitFor(`${this.id} to be ready`, () => this.isReady(), { timeoutMs, everyMs: 20 });
  }

  /** What this node itself knows, never asking others. */
  async status(): Promise<NodeStatus> {
    return (await this.call('GET', '/v1/status', { timeoutMs: 2_000 })).body as NodeStatus;
  }
}

export class BackendProcess {
  readonly id: string;
  readonly port: number;
  readonly process: FlotillaProcess;

  constructor(id: string, port: number) {
    this.id = id;
    this.port = port;
    this.process = new FlotillaProcess([
      'backend',
      '--id',
      id,
      '--listen',
      `127.0.0.1:${port}`,
      '--stop-on-stdin-close',
    ]);
  }

  async start(): Promise<void> {
    this.process.start();
    const answers = async (): Promise<boolean> => (await fetch(`http://127.0.0.1:${this.port}/`)).ok;
    await waitFor(`backend ${this.id}`, answers, { timeoutMs: READY_WITHIN_MS });
  }
}

/** What the traffic client aims at. */
export const targetsOf = (nodes: readonly ClusterNode[]): { id: string; host: string; port: number }[] =>
  nodes.map(({ id, webPort }) => ({ id, host: '127.0.0.1', port: webPort }));

export class Cluster {
  readonly directory: string;
  readonly nodes: readonly ClusterNode[];
  readonly backends: readonly BackendProcess[];

  private constructor(directory: string, nodes: readonly ClusterNode[], backends: readonly BackendProcess[]) {
    this.directory = directory;
    this.nodes = nodes;
    this.backends = backends;
  }

  /** Writes every file, starts nothing. */
  static async prepare(options: ClusterOptions = {}): Promise<Cluster> {
    const directory = mkdtempSync(join(tmpdir(), 'flotilla-cluster-'));
    const ids = Array.from({ length: options.nodes ?? 3 }, (_, index) => `n${index + 1}`);
    const ports = await stablePorts(ids.length * 3);
    const portOf = (index: number, which: number): number => ports[index * 3 + which]!;
    const backendPorts = await stablePorts(options.backends ?? 3);
    const backends = backendPorts.map((port, index) => new BackendProcess(`b${index + 1}`, port));
    const initialConfig = join(directory, 'cluster.yaml');
    writeFileSync(initialConfig, stringify(options.document ?? initialDocument(backends, options.pool ?? {})));
    const peers = ids.map((id, index) => `${id}=127.0.0.1:${portOf(index, 1)}`).join(',');
    const nodes = ids.map((id, index) => {
      const settingsFile = join(directory, `${id}.yaml`);
      const settings = {
        nodeId: id,
        clusterName: 'test',
        dataDir: join(directory, id),
        apiListen: `127.0.0.1:${portOf(index, 0)}`,
        raftListen: `127.0.0.1:${portOf(index, 1)}`,
        peers,
        bindAddress: '127.0.0.1',
        portOffset: portOf(index, 2) - WEB_PORT,
        proxyThreads: options.proxyThreads ?? 1,
        initialConfig,
        ...options.settings,
      };
      writeFileSync(settingsFile, stringify(settings));
      const env = { ...options.env, ...options.envOf?.(id, directory) };
      return new ClusterNode(id, { api: portOf(index, 0), web: portOf(index, 2) }, settingsFile, env);
    });
    return new Cluster(directory, nodes, backends);
  }

  /** A cluster whose nodes are all ready. */
  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const cluster = await Cluster.prepare(options);
    try {
      await Promise.all(cluster.backends.map((backend) => backend.start()));
      for (const node of cluster.nodes) node.process.start();
      await Promise.all(cluster.nodes.map((node) => node.waitReady()));
      return cluster;
    } catch (error) {
      const output = cluster.nodes.map((node) => `--- ${node.id}\n${node.process.output.slice(-3_000)}`).join('\n');
      await cluster[Symbol.asyncDispose]();
      throw new Error(`the cluster did not start: ${(error as Error).message}\n${output}`, { cause: error });
    }
  }

  /** One more node, not started, that joins through `member`; `settings` beside those that every node has. */
  async addJoining(
    id: string,
    member: ClusterNode,
    settings: Readonly<Record<string, unknown>> = {},
  ): Promise<ClusterNode> {
    const [api = 0, raft = 0, web = 0] = await stablePorts(3);
    const settingsFile = join(this.directory, `${id}-${api}.yaml`);
    const own = {
      nodeId: id,
      clusterName: 'test',
      dataDir: join(this.directory, `${id}-${api}`),
      apiListen: `127.0.0.1:${api}`,
      raftListen: `127.0.0.1:${raft}`,
      join: member.api,
      bindAddress: '127.0.0.1',
      portOffset: web - WEB_PORT,
      proxyThreads: 1,
      ...settings,
    };
    writeFileSync(settingsFile, stringify(own));
    const node = new ClusterNode(id, { api, web }, settingsFile, {});
    (this.nodes as ClusterNode[]).push(node);
    return node;
  }

  node(id: string): ClusterNode {
    const node = this.nodes.find((candidate) => candidate.id === id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** The node that all running nodes take for the leader. */
  async leader(timeoutMs = 15_000): Promise<ClusterNode> {
    const id = await waitFor(
      'one leader',
      async () => {
        const running = this.nodes.filter((node) => node.process.isRunning);
        const statuses = await Promise.all(running.map((node) => node.status()));
        const leaders = new Set(statuses.map((status) => status.leader?.id ?? null));
        const [only] = leaders;
        const isRunning = running.some((node) => node.id === only);
        return leaders.size === 1 && isRunning ? only : null;
      },
      { timeoutMs, everyMs: 25 },
    );
    return this.node(id);
  }

  async followers(): Promise<ClusterNode[]> {
    const leader = await this.leader();
    return this.nodes.filter((node) => node !== leader);
  }

  /** The log counts every node as alive and ready. Before, a drain is refused, though each says that it is ready itself. */
  async countedIn(): Promise<void> {
    const leader = await this.leader();
    await waitFor('every node to be counted in', async () => {
      const { items } = (await leader.call('GET', '/v1/members')).body as {
        items: { readonly alive: boolean; readonly ready: boolean }[];
      };
      return items.length === this.nodes.length && items.every(({ alive, ready }) => alive && ready);
    });
  }

  /** All nodes have applied the same index and agree on the digest there. */
  async converge(timeoutMs = 15_000): Promise<{ readonly appliedIndex: number; readonly digest: string }> {
    return waitFor(
      'equal digests at one index',
      async () => {
        const states = await Promise.all(this.nodes.map((node) => node.status()));
        const [first] = states;
        if (first === undefined || states.some((state) => state.appliedIndex !== first.appliedIndex)) return null;
        const digests = new Set(states.map((state) => state.digest));
        if (digests.size > 1)
          throw new Error(`digests differ at index ${first.appliedIndex}: ${[...digests].join(' ')}`);
        return first;
      },
      { timeoutMs, everyMs: 50 },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const processes = [...this.nodes, ...this.backends].map((part) => part.process);
    await Promise.all(processes.filter((process) => process.isRunning).map((process) => process.end('SIGKILL')));
    for (const node of this.nodes) {
      if (process.env.FLOTILLA_KEEP_LOGS !== undefined) {
        mkdirSync(process.env.FLOTILLA_KEEP_LOGS, { recursive: true });
        writeFileSync(join(process.env.FLOTILLA_KEEP_LOGS, `${node.id}.log`), node.process.output);
      }
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function initialDocument(backends: readonly BackendProcess[], pool: Readonly<Record<string, unknown>>): object {
  return {
    listeners: [{ name: 'web', port: WEB_PORT, protocol: 'http', routes: [{ match: {}, pool: 'api' }] }],
    pools: [
      {
        name: 'api',
        health: { path: '/ready', intervalMs: 500, timeoutMs: 500, unhealthyAfter: 2, healthyAfter: 2 },
        ...pool,
        backends: backends.map(({ id, port }) => ({ id, address: `127.0.0.1:${port}`, weight: 100 })),
      },
    ],
  };
}
