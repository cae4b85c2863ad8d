/**
 * The simulated cluster: machines, network, clients and checkers wired together, with the verbs that faults and operators
 * use. Decides nothing by itself.
 */
import { featureLevel } from '@flotilla/controlplane/state';
import { EMPTY_CONF } from '@flotilla/raft';
import type { ConfState, RaftError, RaftNode } from '@flotilla/raft';
import type { Message } from '@flotilla/raft/internals';
import { SafetyChecks } from '../checkers/safety.ts';
import { Violations } from '../checkers/violations.ts';
import { SimRandom } from '../engine/random.ts';
import { Trace } from '../engine/trace.ts';
import { World } from '../engine/world.ts';
import { SimDisk } from '../environment/disk.ts';
import { SimNetwork } from '../environment/network.ts';
import { SnapshotStreams } from '../environment/snapshot-path.ts';
import type { Plan } from '../faults/plan.ts';
import { Coverage } from '../run/coverage.ts';
import { Clients } from '../workload/clients.ts';
import { SimNode } from './sim-node.ts';
import type { NodeListener } from './sim-node.ts';

/** What the product itself promises to hold to. */
const LIMITS = { maxPendingReads: 10_000, maxPendingProposals: 65_536, maxUncommittedBytes: 33 * 1024 * 1024 };
const STATUS_EVERY_MS = 50;
/** What an older release speaks. */
const OLD_LEVEL = 1;

/** What can be seen from outside, as it happens; a message before it is carried. */
export type Sighting =
  | { readonly type: 'sent'; readonly from: string; readonly to: string; readonly message: Message }
  | { readonly type: 'role'; readonly replica: string; readonly role: string; readonly term: number };

export class Cluster {
  readonly plan: Plan;
  readonly world = new World();
  readonly trace: Trace;
  readonly random: SimRandom;
  readonly coverage = new Coverage();
  readonly violations: Violations;
  readonly checks: SafetyChecks;
  readonly network: SimNetwork;
  readonly streams = new SnapshotStreams();
  readonly clients: Clients;
  readonly initialConf: ConfState;
  /** Every machine that ever was, by replica id. */
  readonly nodes = new Map<string, SimNode>();
  /** The liveness phase has begun: no more faults, also no belated ones. */
  healing = false;
  /** When a disk was last made to forget. */
  lastLossMs = -Infinity;
  /** Machines whose database is an old copy. */
  readonly #restored = new Set<string>();
  readonly #watchers = new Set<(sighting: Sighting) => void>();
  #numbers = 0;

  constructor(plan: Plan, keepLines: number) {
    this.plan = plan;
    this.random = new SimRandom(`run ${plan.seed}`);
    this.trace = new Trace(this.world, keepLines);
    this.violations = new Violations(
      () => this.world.nowMs,
      () => this.world.stop('violation'),
    );
    const voters = Array.from({ length: plan.nodeCount }, () => this.#newReplica()).sort();
    this.initialConf = { ...EMPTY_CONF, voters };
    this.checks = new SafetyChecks(this.violations, this.initialConf, LIMITS);
    this.network = new SimNetwork(plan.network, this.world, {
      random: this.random.fork('network'),
      trace: this.trace,
      listener: {
        onDoubled: () => this.coverage.add('message doubled'),
        onLost: () => this.coverage.add('message lost'),
      },
    });
    this.clients = new Clients({
      world: this.world,
      random: this.random.fork('clients'),
      trace: this.trace,
      plan: plan.workload,
      nodes: () => this.clientNodes(),
      committed: () => this.checks.committed.highest,
      onRead: (replica, asked, index) => this.checks.read(replica, asked, index),
      count: (kind) => this.coverage.add(kind),
      onBug: (error) => this.bug('a client', error),
    });
    this.streams.onResumed = () => this.coverage.add('snapshot resumed');
    for (const replica of voters) this.#addMachine(replica);
  }

  start(): void {
    for (const node of this.nodes.values()) node.start(this.replicas);
    this.clients.start();
    this.world.after(STATUS_EVERY_MS, () => this.#readStatus());
  }

  /** Calls `watcher` with all that is seen; answers how to stop that. */
  watch(watcher: (sighting: Sighting) => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Some fault waits for its moment. */
  get watched(): boolean {
    return this.#watchers.size > 0;
  }

  #saw(sighting: Sighting): void {
    for (const watcher of [...this.#watchers]) watcher(sighting);
  }

  get replicas(): string[] {
    return [...this.nodes.values()].filter((node) => node.state !== 'retired').map((node) => node.replica);
  }

  /** Machines that are not given up. */
  get machines(): SimNode[] {
    return [...this.nodes.values()].filter((node) => node.state !== 'retired');
  }

  running(): SimNode[] {
    return this.machines.filter((node) => node.raft !== null);
  }

  /** Where clients go: whatever exists, be it down. */
  clientNodes(): SimNode[] {
    return this.machines;
  }

  leader(): { readonly node: SimNode; readonly raft: RaftNode } | null {
    let best: { readonly node: SimNode; readonly raft: RaftNode } | null = null;
    for (const node of this.running()) {
      const { raft } = node;
      if (raft === null || raft.status().role !== 'leader') continue;
      if (best === null || raft.status().term > best.raft.status().term) best = { node, raft };
    }
    return best;
  }

  /** A new machine with an empty disk, under an id that was never used. Who joins is told the cluster's first membership. */
  addMachine(): SimNode {
    const node = this.#addMachine(this.#newReplica());
    this.tellPeers();
    node.start(this.replicas);
    return node;
  }

  tellPeers(): void {
    const peers = this.replicas;
    for (const node of this.machines) node.setPeers(peers);
  }

  crash(node: SimNode, restartAfterMs: number): void {
    if (node.process === null) return;
    const lost = node.kill();
    if (lost) this.coverage.add('unsynced write lost');
    this.trace.line('stop', node.replica, lost ? 'killed, write lost' : 'killed');
    this.restartLater(node, restartAfterMs);
  }

  restartLater(node: SimNode, afterMs: number): void {
    this.world.after(afterMs, () => this.restart(node));
  }

  restart(node: SimNode): void {
    if (node.state !== 'down') return;
    this.coverage.add('restart');
    this.trace.line('start', node.replica, `life ${node.life + 1}`);
    this.checks.started(node.replica);
    node.start(this.replicas);
  }

  /** Its disk forgets, by whatever fault follows. */
  loseDisk(node: SimNode): void {
    this.lastLossMs = this.world.nowMs;
    this.checks.diskLost(node.replica, true);
  }

  /** Puts an old copy in place of the database. Its owner must notice: it forgot what it promised. */
  restoreBackup(node: SimNode, backup: ReadonlyMap<string, Buffer>): void {
    node.kill();
    node.disk.restore(backup);
    this.trace.line('fault', 'old-backup', `${node.replica} restored`);
    this.loseDisk(node);
    this.coverage.add('old backup restored');
    this.#restored.add(node.replica);
    this.restartLater(node, 100);
  }

  retire(node: SimNode): void {
    this.trace.line('stop', node.replica, 'retired');
    node.retire();
    this.tellPeers();
  }

  bug(who: string, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.violations.demand(false, 'no uncaught error', () => `${who}: ${text}`);
  }

  #newReplica(): string {
    this.#numbers += 1;
    return `n${this.#numbers}#${this.random.fork(`replica ${this.#numbers}`).uint32().toString(16)}`;
  }

  #addMachine(replica: string): SimNode {
    const { initialConf, plan, world, network, streams } = this;
    const random = this.random.fork(`machine ${replica}`);
    const disk = new SimDisk(plan.disk, random.fork('disk'));
    const latency = random.fork('latency');
    disk.onDurable = (operations) => {
      this.trace.line('disk', replica, operations.map(({ type, key }) => `${type} ${key.toString('hex')}`).join());
      if (operations.length > 0 && this.checks.durable(replica, operations)) this.coverage.add('truncation');
    };
    const node = new SimNode({
      replica,
      disk,
      world,
      network,
      streams,
      random,
      rate: 1 + random.between(-plan.clockSkewRatio, plan.clockSkewRatio),
      latencyMs: () => (plan.loopLatencyMs === 0 ? 0 : latency.exponential(plan.loopLatencyMs)),
      raft: { core: plan.core, snapshots: plan.snapshots, digestEvery: plan.digestEvery },
      initialConf,
      featureLevel: random.chance(plan.oldReleaseRatio) ? OLD_LEVEL : featureLevel,
      listener: (owner) => this.#listener(owner),
    });
    this.nodes.set(replica, node);
    return node;
  }

  #listener(node: SimNode): NodeListener {
    const { checks, coverage, trace } = this;
    const { replica } = node;
    return {
      onSend: (to, message) => {
        checks.sent(replica, to, message);
        this.#saw({ type: 'sent', from: replica, to, message });
      },
      onRole: (change) => {
        trace.line('role', replica, `${change.role} ${change.term} ${change.leader}`);
        if (checks.role(replica, change)) coverage.add('election');
        this.#saw({ type: 'role', replica, role: change.role, term: change.term });
      },
      onConf: (index, conf) => {
        trace.line('conf', replica, `${index} ${JSON.stringify(conf)}`);
        checks.conf(replica, index, conf);
      },
      onDiverged: (text) => this.violations.demand(false, 'state machine safety', () => `digests differ: ${text}`),
      onHalt: (error) => this.#halted(node, error),
      onUncaught: (error) => this.bug(replica, error),
      onRecovered: (recovered) => {
        const { entries, faults, hard, snapshot } = recovered;
        const held = `${hard.term} ${entries.length} ${snapshot?.index ?? 0}`;
        trace.line('open', replica, faults.length > 0 ? faults.join('; ') : held);
        const noticed = faults.length > 0 || !this.#restored.has(replica);
        this.violations.demand(noticed, 'old backup is refused', () => `${replica} goes on with an old copy`);
        checks.diskLost(replica, faults.length > 0);
      },
      onSnapshotSaved: () => coverage.add('snapshot saved'),
      onCommand: (entry, command, effective) => {
        if (!effective) coverage.add('retry answered from the session');
        checks.command(replica, entry, command, effective);
      },
      onApplied: (entry, chain) => {
        if (checks.committed.termAt(entry.index) === undefined) {
          coverage.add('entry committed');
          trace.line('commit', replica, `${entry.index}@${entry.term} ${chain}`);
          checks.applied(replica, entry, chain);
          if (entry.kind !== 1) return;
          const joint = checks.committed.newestConf.votersOutgoing.length > 0;
          coverage.add(joint ? 'joint membership' : 'membership changed');
        } else checks.applied(replica, entry, chain);
      },
      onRestored: (index, chain) => {
        trace.line('restore', replica, `${index}`);
        if (node.state === 'up') coverage.add('snapshot installed');
        checks.restored(replica, index, chain);
      },
    };
  }

  /** A process may end itself over its disk. Any other reason is a bug. */
  #halted(node: SimNode, error: RaftError): void {
    this.trace.line('halt', node.replica, `${error.code} ${error.message}`);
    if (error.code === 'DAMAGED') {
      this.coverage.add('store refused');
      this.checks.diskLost(node.replica, true);
    } else if (error.code === 'DISK') {
      this.coverage.add('node ended by its disk');
      this.restartLater(node, 500);
    } else if (error.cause === undefined) {
      // Without a cause it was the core's own assertion.
      this.violations.demand(false, 'core invariant', () => `${node.replica}: ${error.message}`);
    } else this.bug(node.replica, error);
  }

  #readStatus(): void {
    for (const { replica, raft } of this.running()) {
      if (raft === null) continue;
      const { term, commit, applied, lastIndex, pendingReads, pendingProposals, uncommittedBytes } = raft.status();
      this.checks.status(replica, {
        term,
        commit,
        applied,
        lastIndex,
        pendingReads,
        pendingProposals,
        uncommittedBytes,
      });
    }
    this.world.after(STATUS_EVERY_MS, () => this.#readStatus());
  }
}
