/**
 * A cluster of real processes whose network, clocks and disks can be made to fail: nodes reach each other through relays,
 * and each has its own clock offset and its own small disk where the machine allows it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { Cluster } from './cluster.ts';
import type { ClusterNode, ClusterOptions } from './cluster.ts';
import { MachineFaults } from './machine-faults.ts';
import { stablePorts } from './ports.ts';
import { Network } from './relay.ts';

const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1));

export class FaultCluster {
  readonly cluster: Cluster;
  readonly network: Network;
  readonly machine: MachineFaults;

  private constructor(cluster: Cluster, network: Network, machine: MachineFaults) {
    this.cluster = cluster;
    this.network = network;
    this.machine = machine;
  }

  /** Started and ready. */
  static async start(options: ClusterOptions = {}): Promise<FaultCluster> {
    let machine: MachineFaults | null = null;
    const envOf = (id: string, directory: string): Record<string, string> => {
      machine ??= new MachineFaults(join(directory, 'faults'));
      return machine.envOf(id);
    };
    const cluster = await Cluster.prepare({ ...options, envOf });
    if (machine === null) throw new Error('a cluster without nodes');
    const network = await openNetwork(cluster);
    const faulty = new FaultCluster(cluster, network, machine);
    try {
      for (const node of cluster.nodes) faulty.machine.mountSmallDisk(faulty.dataOf(node));
      await Promise.all(cluster.backends.map((backend) => backend.start()));
      for (const node of cluster.nodes) node.process.start();
      await Promise.all(cluster.nodes.map((node) => node.waitReady()));
      return faulty;
    } catch (error) {
      const output = cluster.nodes.map((node) => `--- ${node.id}\n${node.process.output.slice(-3_000)}`).join('\n');
      await faulty[Symbol.asyncDispose]();
      throw new Error(`the cluster did not start: ${(error as Error).message}\n${output}`, { cause: error });
    }
  }

  dataOf(node: ClusterNode): string {
    return join(this.cluster.directory, node.id);
  }

  /** The node, with an empty disk, is to join through another one when it starts, at the address that it always had. */
  joinThrough(node: ClusterNode, other: ClusterNode): void {
    const settings = parse(readFileSync(node.settingsFile, 'utf8')) as Record<string, string>;
    const { peers = '', ...rest } = settings;
    const own = peers.split(',').find((peer) => peer.startsWith(`${node.id}=`));
    const raftAdvertise = own?.slice(node.id.length + 1) ?? settings['raftAdvertise'] ?? '';
    writeFileSync(node.settingsFile, stringify({ ...rest, raftAdvertise, join: other.api }));
  }

  /** All that was done to network, clocks and disks is undone. */
  heal(): void {
    this.network.heal();
    for (const node of this.cluster.nodes) {
      this.machine.stepClock(node.id, 0);
      this.machine.slowDisk(node.id, 0);
      this.machine.freeDisk(this.dataOf(node));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const processes = this.cluster.nodes.map((node) => node.process).filter((process) => process.isRunning);
    await Promise.all(processes.map((process) => process.end('SIGKILL')));
    this.machine.close();
    await this.network.close();
    await this.cluster[Symbol.asyncDispose]();
  }
}

/** Relays in front of all nodes; the settings name the relays, each node listens where it did. */
async function openNetwork(cluster: Cluster): Promise<Network> {
  const settingsOf = (node: ClusterNode): Record<string, string> =>
    parse(readFileSync(node.settingsFile, 'utf8')) as Record<string, string>;
  const targets = cluster.nodes.map((node) => ({ id: node.id, port: portOf(settingsOf(node)['raftListen'] ?? '') }));
  const ports = await stablePorts(targets.length);
  const network = await Network.open(targets, ports);
  const peers = targets.map(({ id }, at) => `${id}=127.0.0.1:${ports[at]}`).join(',');
  for (const node of cluster.nodes) writeFileSync(node.settingsFile, stringify({ ...settingsOf(node), peers }));
  return network;
}
