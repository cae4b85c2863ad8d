/**
 * One real node for strangers to talk to: listeners on ports of this machine, pools that lead to whatever a test has started.
 */
import { stablePorts } from '../harness/ports.ts';
import { Cluster } from '../harness/cluster.ts';
import type { ClusterNode } from '../harness/cluster.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface EdgeOptions {
  /** By name: everything but the name and the port. A listener without routes leads to the first pool. */
  readonly listeners: Readonly<Record<string, Fields>>;
  /** By name: the ports of its backends, named b1, b2 …, and the rest of the pool. */
  readonly pools: Readonly<Record<string, { readonly ports: readonly number[]; readonly pool?: Fields }>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly certificates?: readonly { readonly name: string; readonly certPem: string; readonly keyPem?: string }[];
}

export class Edge {
  readonly node: ClusterNode;
  readonly #cluster: Cluster;
  readonly #ports: ReadonlyMap<string, number>;

  private constructor(cluster: Cluster, ports: ReadonlyMap<string, number>) {
    this.#cluster = cluster;
    this.#ports = ports;
    const [node] = cluster.nodes;
    if (node === undefined) throw new Error('a cluster without a node');
    this.node = node;
  }

  /** Resolves when the node is ready and all its listeners are bound. */
  static async start({ listeners, pools, certificates = [], env = {} }: EdgeOptions): Promise<Edge> {
    const names = Object.keys(listeners);
    const numbers = await stablePorts(names.length);
    const ports = new Map(names.map((name, at) => [name, numbers[at] ?? 0]));
    const [firstPool] = Object.keys(pools);
    const document = {
      listeners: names.map((name) => ({
        routes: [{ pool: firstPool }],
        ...listeners[name],
        name,
        port: ports.get(name),
      })),
      pools: Object.entries(pools).map(([name, { ports: backends, pool }]) => ({
        health: { protocol: 'none' },
        ...pool,
        name,
        backends: backends.map((port, at) => ({ id: `b${at + 1}`, address: `127.0.0.1:${port}` })),
      })),
      certificates,
    };
    return new Edge(await Cluster.start({ nodes: 1, backends: 0, document, env, settings: { portOffset: 0 } }), ports);
  }

  port(listener: string): number {
    const port = this.#ports.get(listener);
    if (port === undefined) throw new Error(`no listener ${listener}`);
    return port;
  }

  /** Counters of the node whose name and labels contain all of `parts`, added up. */
  async metric(...parts: readonly string[]): Promise<number> {
    const { body } = await this.node.call('GET', '/metrics');
    const lines = String(body)
      .split('\n')
      .filter((line) => parts.every((part) => line.includes(part)));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster[Symbol.asyncDispose]();
  }
}
