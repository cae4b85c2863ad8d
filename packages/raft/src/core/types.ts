/**
 * The nouns of consensus: ids, log entries, durable state, membership. Plain data, no behaviour.
 *
 * Vocabulary follows the Raft paper and etcd/raft, so that their scenarios can be read beside ours.
 */

/**
 * Identity of one replica on one disk: `name#incarnation`, e.g. `n1#9f2c01ab`. An incarnation is drawn when a data
 * directory is created and never used again, so a node that lost its disk can never vote as its former self.
 */
export type ReplicaId = string;

/** Position in the log, from 1. 0 means "before the first entry". Safe integer. */
export type Index = number;

/** Election epoch, from 1. 0 means "no term yet". Safe integer. */
export type Term = number;

/** What an entry carries: a command for the state machine, a membership change, or nothing (a new leader's first entry). */
export const EntryKind = { normal: 0, conf: 1, noop: 2 } as const;
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind];

/** One slot of the replicated log. Immutable once created; the bytes in `data` are never copied again. */
export interface Entry {
  readonly index: Index;
  readonly term: Term;
  readonly kind: EntryKind;
  /**
   * Wall-clock stamp of the leader that appended it, in milliseconds since the epoch. The state machine's time is
   * `max(previous, stampMs)`: the only clock that replicated state may read.
   */
  readonly stampMs: number;
  /** Replica whose caller waits for this entry's result; '' where nobody does (noop). */
  readonly origin: ReplicaId;
  /** Number of the proposal at its origin. (origin, seq) is unique for ever: sequences start at random per process. */
  readonly seq: number;
  /** Command bytes; for `conf` an encoded {@link ConfChange} and what it leads to: see `decodeConfEntry`. */
  readonly data: Uint8Array;
}

/**
 * Entries of a store that are kept as bytes, each made an object when it is asked for: a million objects that live long would
 * hold the event loop whenever garbage is collected. Immutable. Positions count from 0.
 */
export interface PackedEntries extends Iterable<Entry> {
  readonly length: number;
  /** As of an array: from the end where negative, undefined outside. */
  at(position: number): Entry | undefined;
  /** Entries from `from` up to and without `to`, as objects. 0 <= from <= to <= length. */
  slice(from: number, to: number): Entry[];
  /** The same, still packed. */
  part(from: number, to: number): PackedEntries;
  /** Position of the first membership change from `from` up to and without `to`; -1 where there is none. Looks at no entry. */
  firstConf(from: number, to: number): number;
}

/** Entries one after the other, each index one more than the one before, however they are kept. */
export type EntryRow = readonly Entry[] | PackedEntries;

/** What must be durable before any message that depends on it leaves this replica (§5, figure 2 "persistent state"). */
export interface HardState {
  readonly term: Term;
  /** Candidate voted for in `term`, or null. */
  readonly vote: ReplicaId | null;
  /** Highest index known committed. Not required for safety; saves work after a restart. */
  readonly commit: Index;
}

/** Membership in force. While `votersOutgoing` is non-empty the change is joint: decisions need both majorities (§6). */
export interface ConfState {
  readonly voters: readonly ReplicaId[];
  readonly votersOutgoing: readonly ReplicaId[];
  /** Receive the log, count for nothing. */
  readonly learners: readonly ReplicaId[];
  /** Voters of the outgoing half that become learners when the joint phase ends. */
  readonly learnersNext: readonly ReplicaId[];
  /** The leader leaves the joint configuration by itself as soon as it is committed. */
  readonly autoLeave: boolean;
}

/** One step of a membership change. */
export interface ConfStep {
  readonly op: 'add-voter' | 'add-learner' | 'remove';
  readonly id: ReplicaId;
}

/** A membership change: several steps are taken jointly (§6); none means "leave the joint configuration". */
export interface ConfChange {
  readonly steps: readonly ConfStep[];
  /** Opaque bytes of the caller, e.g. addresses; handed to the state machine with the entry. */
  readonly context: Uint8Array;
}

/** What a snapshot is of. The bytes are the storage's and the state machine's business. */
export interface SnapshotMeta {
  readonly index: Index;
  readonly term: Term;
  readonly conf: ConfState;
  /** Digest of the state machine at `index`, hex. Checked after restore. */
  readonly digest: string;
  readonly sizeBytes: number;
  /** SHA-256 of the whole byte stream, hex; absent until a store has written it. Checked by whoever receives it. */
  readonly checksum?: string;
}

/** Role of a replica. `pre-candidate`: asks whether an election could be won, without raising its term (§9.6 of the thesis). */
export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader';

/** An empty configuration: a replica that belongs to no cluster yet. */
export const EMPTY_CONF: ConfState = {
  voters: [],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};
