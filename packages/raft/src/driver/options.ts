/**
 * What a raft node is made of and what it tells. Types and defaults only.
 */
import type { CoreConfig } from '../core/config.ts';
import type { CoreStatus } from '../core/port.ts';
import type { ConfState, Index, ReplicaId, Role, Term } from '../core/types.ts';
import type { DiskState } from './disk-watch.ts';
import type { RaftError } from './errors.ts';
import type { SnapshotPolicy } from './snapshots.ts';
import type { Clock, Random, RaftLogger, RaftMetrics, Recovered, StateMachine, Storage, Transport } from './ports.ts';

export interface RaftNodeOptions {
  readonly storage: Storage;
  /** What `storage.open()` (or `formCluster`) answered. */
  readonly recovered: Recovered;
  readonly transport: Transport;
  readonly stateMachine: StateMachine;
  readonly logger?: RaftLogger;
  readonly metrics?: RaftMetrics;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Timing and limits of the core; only what differs from its defaults. */
  readonly core?: Partial<CoreConfig>;
  readonly snapshots?: Partial<SnapshotPolicy>;
  /** A digest of the state machine is compared across replicas at every multiple of this index, and twice a second of log time. */
  readonly digestEvery?: number;
  /**
   * A leader whose write takes longer gives up its office. Default: the longest election timeout, since shared disks hold
   * a sync back for some hundred milliseconds now and then, and a change of leaders costs as much.
   */
  readonly diskStallMs?: number;
  /** Writes are refused when the disk has less free. */
  readonly minFreeBytes?: number;
}

export interface RoleChange {
  readonly role: Role;
  readonly term: Term;
  readonly leader: ReplicaId | null;
}

export interface ConfInForce {
  readonly index: Index;
  readonly conf: ConfState;
}

export interface Divergence {
  readonly replica: ReplicaId;
  readonly index: Index;
  readonly ours: string;
  readonly theirs: string;
}

/** Everything that a node announces. Subscribe before `open`. */
export interface RaftNodeEvents {
  readonly role: RoleChange;
  readonly applied: Index;
  /** A digest of the state machine was taken: at the same indexes on every replica, and equal there. */
  readonly checkpoint: { readonly index: Index; readonly digest: string };
  readonly conf: ConfInForce;
  readonly diverged: Divergence;
  /** The node has stopped for good: `DISK` (exit 74) or a broken invariant (exit 70). */
  readonly halt: RaftError;
}

export interface RaftStatus extends CoreStatus {
  readonly clusterId: string;
  readonly disk: DiskState;
  /** Peers with a standing control connection. */
  readonly linked: readonly ReplicaId[];
  readonly pendingProposals: number;
  /** Age of what this node knows: 0 at a leader with quorum, else time since the leader was heard. Infinity where never. */
  readonly staleMs: number;
}
