/**
 * One simulated machine: a disk that lasts, and processes on it that come and go. Each process is production code from
 * `RaftNode` down to the store, on simulated clock, disk and network.
 */
import { LevelStorage, RaftError, RaftNode } from '@flotilla/raft';
import type { ConfState, RaftNodeOptions, Recovered } from '@flotilla/raft';
import type { Message } from '@flotilla/raft/internals';
import { NodeLoop } from '../engine/node-loop.ts';
import type { SimRandom } from '../engine/random.ts';
import type { World } from '../engine/world.ts';
import type { SimDisk } from '../environment/disk.ts';
import type { SimNetwork } from '../environment/network.ts';
import type { SnapshotStreams } from '../environment/snapshot-path.ts';
import { simHost } from '../environment/store-host.ts';
import { SimTransport } from '../environment/transport.ts';
import { Ledger } from './ledger.ts';
import type { LedgerListener } from './ledger.ts';
import { TwinMachine } from './twin-machine.ts';

/** `down`: no process. `damaged`: its store was refused; only a new disk under a new identity helps. */
export type NodeState = 'down' | 'starting' | 'up' | 'damaged' | 'retired';

export interface NodeListener extends LedgerListener {
  onSend(to: string, message: Message): void;
  onRole(change: { readonly role: string; readonly term: number; readonly leader: string | null }): void;
  onConf(index: number, conf: ConfState): void;
  onDiverged(text: string): void;
  /** The process ended itself. */
  onHalt(error: RaftError): void;
  /** A bug, whatever the circumstances. */
  onUncaught(error: unknown): void;
  onRecovered(recovered: Recovered): void;
  onSnapshotSaved(): void;
}

export interface NodeOptions {
  /** Replica id: name and incarnation. */
  readonly replica: string;
  readonly disk: SimDisk;
  readonly world: World;
  readonly network: SimNetwork;
  readonly streams: SnapshotStreams;
  readonly random: SimRandom;
  readonly rate: number;
  readonly latencyMs: () => number;
  readonly raft: Pick<RaftNodeOptions, 'core' | 'snapshots' | 'digestEvery'>;
  /** Membership with which the cluster began; written when its store is made. */
  readonly initialConf: ConfState;
  /** What the release on it speaks. */
  readonly featureLevel: number;
  readonly listener: (node: SimNode) => NodeListener;
}

export interface Process {
  readonly loop: NodeLoop;
  readonly transport: SimTransport;
  readonly ledger: Ledger;
  readonly machine: TwinMachine;
  readonly storage: LevelStorage;
  /** Null until the store is open. */
  raft: RaftNode | null;
}

const CLUSTER_ID = 'simulated';

export class SimNode {
  readonly replica: string;
  readonly disk: SimDisk;
  state: NodeState = 'down';
  process: Process | null = null;
  /** Processes started so far. */
  life = 0;
  /** What the installed release speaks; a process that runs keeps what it was started with. */
  featureLevel: number;
  readonly #options: NodeOptions;
  readonly #listener: NodeListener;
  readonly #endListeners = new Set<() => void>();

  constructor(options: NodeOptions) {
    this.#options = options;
    this.replica = options.replica;
    this.disk = options.disk;
    this.featureLevel = options.featureLevel;
    this.#listener = options.listener(this);
  }

  /** Running and answering. */
  get raft(): RaftNode | null {
    return this.state === 'up' ? (this.process?.raft ?? null) : null;
  }

  /** Begins a process. `peers`: everyone that exists. */
  start(peers: readonly string[]): void {
    if (this.state !== 'down') return;
    const { world, network, streams, random, rate, latencyMs } = this.#options;
    this.life += 1;
    this.state = 'starting';
    const own = random.fork(`life ${this.life}`);
    const onUncaught = (error: unknown): void => this.#listener.onUncaught(error);
    const wallOffsetMs = Math.round(own.between(-50, 50));
    const loop = new NodeLoop({ world, rate, wallOffsetMs, latencyMs, onUncaught });
    const transport = new SimTransport({
      replica: this.replica,
      network,
      loop,
      streams,
      onSend: (to, message) => this.#listener.onSend(to, message),
      onBadFrame: onUncaught,
    });
    const ledger = new Ledger(this.#listener);
    const machine = new TwinMachine(ledger, this.featureLevel);
    const storage = new LevelStorage({ directory: this.replica }, simHost({ world, loop, disk: this.disk }));
    const process: Process = { loop, transport, ledger, machine, storage, raft: null };
    this.process = process;
    this.setPeers(peers);
    loop.io(() => {
      this.#open(process, own).catch((error: unknown) => {
        if (loop.ended) return;
        if (error instanceof RaftError && (error.code === 'DAMAGED' || error.code === 'DISK')) {
          this.#ended(error.code === 'DAMAGED' ? 'damaged' : 'down');
          this.#listener.onHalt(error);
        } else onUncaught(error);
      });
    });
  }

  setPeers(peers: readonly string[]): void {
    this.process?.transport.setPeers(
      peers.filter((peer) => peer !== this.replica).map((replica) => ({ replica, host: replica, port: 1 })),
    );
  }

  /** SIGKILL, or the power is gone. True where the disk lost something. */
  kill(): boolean {
    this.#ended('down');
    return this.disk.crash();
  }

  /** It never comes back. */
  retire(): void {
    if (this.process !== null) this.kill();
    this.state = 'retired';
  }

  /** Called when the process ends. Answers how to unsubscribe. */
  onEnd(run: () => void): () => void {
    this.#endListeners.add(run);
    return () => void this.#endListeners.delete(run);
  }

  async #open(process: Process, random: SimRandom): Promise<void> {
    const { storage, loop, transport, machine } = process;
    let recovered = await storage.open();
    this.#listener.onRecovered(recovered);
    if (recovered.identity === null && recovered.faults.length === 0) {
      const identity = { clusterId: CLUSTER_ID, replica: this.replica, format: 1, createdMs: 0 };
      await storage.initialise(identity, this.#options.initialConf);
      recovered = { ...recovered, identity, initialConf: this.#options.initialConf };
    }
    const raft = new RaftNode({
      storage,
      recovered,
      transport,
      stateMachine: machine,
      clock: loop,
      random,
      metrics: { snapshotSaved: () => this.#listener.onSnapshotSaved() },
      ...this.#options.raft,
    });
    process.raft = raft;
    raft.on('role', (change) => this.#listener.onRole(change));
    raft.on('conf', ({ index, conf }) => this.#listener.onConf(index, conf));
    raft.on('diverged', ({ replica, index, ours, theirs }) =>
      this.#listener.onDiverged(`${replica} at ${index}: ${theirs} is not ${ours}`),
    );
    raft.on('halt', (error) => this.#halted(process, error, random));
    await raft.open();
    if (this.state === 'starting') this.state = 'up';
  }

  /** The owner of a node that halts ends its process; after a failed write, it may first close what can be closed. */
  #halted(process: Process, error: RaftError, random: SimRandom): void {
    const end = (): void => {
      if (this.process !== process) return;
      this.#ended('down');
      this.disk.crash();
      this.#listener.onHalt(error);
    };
    if (process.loop.ended) return;
    if (error.code === 'DISK' && process.raft !== null && random.chance(0.5)) {
      // A disk that failed once may fail again here; the process ends either way.
      process.raft.close({ transfer: false }).then(end, end);
    } else end();
  }

  #ended(state: NodeState): void {
    const { process } = this;
    this.state = state;
    if (process === null) return;
    this.process = null;
    process.loop.end();
    process.transport.gone();
    for (const run of [...this.#endListeners]) run();
  }
}
