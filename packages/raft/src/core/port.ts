/**
 * How the core is created and asked: its options, its two methods and what `status` tells. Types only.
 */
import type { CoreConfig } from './config.ts';
import type { Effect } from './effects.ts';
import type { Event } from './events.ts';
import type { ConfState, EntryRow, HardState, Index, ReplicaId, Role, SnapshotMeta, Term } from './types.ts';

/** What a disk held when it was opened. */
export interface RecoveredState {
  readonly hard: HardState;
  /** Current snapshot. The host has restored its state machine from it before the first step. */
  readonly snapshot: SnapshotMeta | null;
  /** Contiguous from `firstIndex`; may begin before `snapshot.index + 1`. */
  readonly entries: EntryRow;
  /** Index of the first of `entries`, or where it would be. */
  readonly firstIndex: Index;
  /** Membership where there is no snapshot; with one, the snapshot's counts. */
  readonly conf: ConfState;
}

export interface CoreOptions {
  readonly self: ReplicaId;
  /** Only what differs from {@link DEFAULT_CORE_CONFIG}. */
  readonly config?: Partial<CoreConfig>;
  /** Seeds the generator of election timeouts. Any integer; replicas must get different ones. */
  readonly seed: number;
  readonly recovered: RecoveredState;
  /** False where the disk cannot be trusted to hold every vote and entry it promised: never votes, never campaigns. */
  readonly mayVote: boolean;
  /** The same clocks that later events carry. */
  readonly nowMs: number;
  readonly wallMs: number;
  /** Walk the whole state after every step, not only what costs O(1). For tests and simulations. */
  readonly deepChecks?: boolean;
}

export type PeerState = 'probe' | 'replicate' | 'snapshot';

/** A leader's view of one follower or learner. */
export interface PeerStatus {
  readonly id: ReplicaId;
  readonly voter: boolean;
  readonly state: PeerState;
  readonly match: Index;
  readonly next: Index;
  readonly inflightMessages: number;
  readonly inflightBytes: number;
  /** Time since it last answered. */
  readonly silentMs: number;
}

export interface CoreStatus {
  readonly self: ReplicaId;
  readonly role: Role;
  readonly term: Term;
  readonly vote: ReplicaId | null;
  readonly leader: ReplicaId | null;
  /** Leader: a quorum answered within the shortest election timeout. Others: the leader was heard within it. */
  readonly quorum: boolean;
  /** Time since the leader was heard (0 at the leader itself); Infinity where never. */
  readonly leaderSilentMs: number;
  readonly firstIndex: Index;
  readonly lastIndex: Index;
  /** Last index that is on this replica's disk. */
  readonly durableIndex: Index;
  readonly commit: Index;
  /** Last index handed to the host in `apply` or `restore`. */
  readonly applying: Index;
  /** Last index that the host reported as applied. */
  readonly applied: Index;
  readonly snapshotIndex: Index;
  readonly conf: ConfState;
  /** A change is appended but not in force yet, or a joint configuration is not left yet. */
  readonly confPending: boolean;
  readonly mayVote: boolean;
  readonly transferringTo: ReplicaId | null;
  readonly uncommittedBytes: number;
  readonly pendingReads: number;
  /** Leader only, else empty. */
  readonly peers: readonly PeerStatus[];
  /** The core met a broken invariant and answers nothing any more. */
  readonly halted: boolean;
}

export interface RaftCore {
  /**
   * Synchronous, total and deterministic: never throws. A broken invariant gives exactly one `halt` effect, and every
   * later step gives none. The first step also tells the membership and hands over what was committed before a restart.
   */
  step(event: Event): readonly Effect[];
  /** `nowMs` only ages the `…SilentMs` figures; without it they count to the last event. */
  status(nowMs?: number): CoreStatus;
}
