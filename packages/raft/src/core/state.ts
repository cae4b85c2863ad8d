/**
 * Everything that a replica knows, and nothing that it does. Each field says what it means, who writes it and what holds.
 */
import { resolveConfig, type CoreConfig } from './config.ts';
import type { Effect } from './effects.ts';
import { assert } from './assert.ts';
import { RaftLog } from './log.ts';
import type { CoreOptions } from './port.ts';
import type { Progress } from './progress.ts';
import { Random } from './random.ts';
import type { ConfState, Entry, HardState, Index, ReplicaId, Role, SnapshotMeta, Term } from './types.ts';

/** A linearizable read that waits for its round of heartbeats at the leader. */
export interface PendingRead {
  /** Number of the read at the replica that asked. */
  readonly seq: number;
  readonly from: ReplicaId;
  /** Commit index when it was asked; -1 until the leader has committed an entry of its term. */
  index: Index;
  /** It is confirmed once a quorum answered a heartbeat with this sequence or a later one. */
  readonly confirmSeq: number;
}

export interface Transfer {
  readonly to: ReplicaId;
  readonly deadlineMs: number;
  /** TimeoutNow was sent: the target has every entry. */
  asked: boolean;
  /** Leave office at the deadline even if the target did not take it (stalled disk). */
  readonly orStepDown: boolean;
}

/** Everything that lives and dies with one leadership; dropped as a whole, so nothing leaks into another term. */
export interface Leadership {
  /** One per other member, sorted by id. Written by replication; members come and go in membership. */
  readonly progress: Map<ReplicaId, Progress>;
  /** Index of the no-op with which the term began. */
  readonly termStart: Index;
  /** No further membership change before everything up to here is in force (one at a time; none before the no-op). */
  pendingConfIndex: Index;
  uncommittedBytes: number;
  /** We are no voter any more and leave office once this is committed; 0 while we stay. */
  farewell: Index;
  heartbeatDueMs: number;
  /** When followers that no entries told of the newest commit index are told by themselves; Infinity where all were. */
  commitDueMs: number;
  /** No step-down for a silent quorum before this time: its answers may still be waiting in our sockets. */
  quorumGraceMs: number;
  /** Proposals are refused until a quorum answered this read sequence; 0 where nothing is to be confirmed. */
  confirmSeq: number;
  /** Reads in the order of their `confirmSeq`. */
  reads: PendingRead[];
  /** Highest read sequence sent in a heartbeat. */
  readSeqSent: number;
  transfer: Transfer | null;
  /** Digests reported by index; see digests.ts. */
  readonly reports: Map<Index, Map<ReplicaId, string>>;
  /** Replicas already reported as diverged. */
  readonly diverged: Set<ReplicaId>;
}

/** A persist effect that the host has not confirmed yet. */
export interface PendingWrite {
  readonly io: number;
  /** Log up to here is on disk once this write is. Lowered when the entries are cut off again (the ABA of async writes). */
  durableTo: Index;
  /** Term in which this write carries our vote for ourselves; 0 where it does not. */
  readonly selfVoteTerm: Term;
  readonly install: SnapshotMeta | null;
}

/** What this step wants written; becomes one persist effect. */
export interface Draft {
  truncateFrom: Index | null;
  append: Entry[];
  install: SnapshotMeta | null;
  selfVote: boolean;
  release: Effect[];
}

export interface RaftState {
  readonly self: ReplicaId;
  readonly config: CoreConfig;
  readonly random: Random;
  /** False: this disk may have forgotten promises; never votes, never campaigns. */
  readonly mayVote: boolean;
  /** Clocks of the event being handled. */
  nowMs: number;
  /** Wall clock at `wallAtMs` of the monotonic one; only for stamps. */
  wallMs: number;
  wallAtMs: number;
  /** Log time minus the monotonic clock, as the newest entries showed it; null where none came since we started. See log-time. */
  logLeadMs: number | null;
  /** When we last stamped an entry as leader, on the monotonic clock. */
  stampedAtMs: number;

  /** Latest term seen. Never falls. Written by roles. */
  term: Term;
  /** Whom we voted for in `term`. Invariant: set at most once per term. Written by roles and election. */
  vote: ReplicaId | null;
  role: Role;
  /** Leader of `term` as far as known. Invariant: self exactly while role is leader. */
  leader: ReplicaId | null;
  readonly log: RaftLog;
  /** Highest index known committed. Never falls. Invariant: commit <= log.lastIndex. */
  commit: Index;
  /** Log up to here is on our disk. Invariant: durable <= log.lastIndex. Written by durability. */
  durable: Index;
  /** Handed to the host. Invariant: applied <= applying <= min(commit, durable). Membership in force is that of here. */
  applying: Index;
  /** Reported as applied by the host. */
  applied: Index;
  snapshot: SnapshotMeta | null;
  /** Membership in force (the one of `applying`). Written by membership and snapshotting. */
  conf: ConfState;
  /** A received snapshot is being written; nothing is applied meanwhile. */
  installing: boolean;
  /** Follower: our log equals the leader's up to here, proven by an append of this term; 0 where nothing is proven yet. */
  matched: Index;

  /** Answers to the current (pre-)campaign. */
  votes: Map<ReplicaId, boolean>;
  /** The current campaign was asked for by the leader. */
  campaignTransfer: boolean;
  electionDeadlineMs: number;
  /** When the leader was last heard; -Infinity where never. */
  leaderContactMs: number;
  /** Non-null exactly while role is leader. */
  leading: Leadership | null;
  /** Numbers rounds of read confirmation. Only rises, for the life of the process: an old answer can never fit a new read. */
  readSeq: number;
  /** Our reads that the leader was asked about: sequence to deadline, oldest first. */
  readonly forwardedReads: Map<number, number>;
  /** Peers whose link is known to be down. */
  readonly down: Set<ReplicaId>;
  diskStalled: boolean;
  diskFull: boolean;
  /** Our own state digests by index, oldest first. */
  readonly checkpoints: Map<Index, string>;
  /** Newest of them. */
  lastCheckpoint: { readonly index: Index; readonly digest: string };

  /** Number of the last persist effect emitted. */
  io: number;
  /** Hard state in that effect. */
  hardWritten: HardState;
  readonly writes: PendingWrite[];
  /** When an otherwise unwritten commit index is flushed; Infinity where there is none. */
  commitFlushMs: number;
  draft: Draft;
  /** Effects of the step under way. */
  effects: Effect[];
}

export function emptyDraft(): Draft {
  return { truncateFrom: null, append: [], install: null, selfVote: false, release: [] };
}

export function createState(options: CoreOptions): RaftState {
  const { recovered, nowMs } = options;
  const { hard, snapshot } = recovered;
  const snapshotIndex = snapshot?.index ?? 0;
  const baseIndex = recovered.firstIndex - 1;
  assert(baseIndex <= snapshotIndex, 'no gap between snapshot and log');
  const baseTerm = baseIndex === 0 ? 0 : baseIndex === snapshotIndex ? snapshot?.term : undefined;
  const log = new RaftLog([], recovered.firstIndex, baseTerm);
  log.append(recovered.entries);
  assert(log.lastIndex >= snapshotIndex, 'the log reaches the snapshot');
  // A disk that lost its tail may break the next two; it does not vote, so it may start over from what it has.
  assert(!options.mayVote || hard.commit <= log.lastIndex, 'nothing is committed beyond the log');
  assert(!options.mayVote || hard.term >= log.lastTerm, 'no entry is of a later term than ours');
  return {
    self: options.self,
    config: resolveConfig(options.config ?? {}),
    random: new Random(options.seed),
    mayVote: options.mayVote,
    nowMs,
    wallMs: options.wallMs,
    wallAtMs: nowMs,
    logLeadMs: null,
    stampedAtMs: nowMs,
    term: Math.max(hard.term, log.lastTerm),
    vote: hard.term < log.lastTerm ? null : hard.vote,
    role: 'follower',
    leader: null,
    log,
    commit: Math.max(Math.min(hard.commit, log.lastIndex), snapshotIndex),
    durable: log.lastIndex,
    applying: snapshotIndex,
    applied: snapshotIndex,
    snapshot,
    conf: snapshot?.conf ?? recovered.conf,
    installing: false,
    matched: 0,
    votes: new Map(),
    campaignTransfer: false,
    electionDeadlineMs: Infinity,
    leaderContactMs: -Infinity,
    leading: null,
    readSeq: 0,
    forwardedReads: new Map(),
    down: new Set(),
    diskStalled: false,
    diskFull: false,
    checkpoints: new Map(),
    lastCheckpoint: { index: 0, digest: '' },
    io: 0,
    hardWritten: hard,
    writes: [],
    commitFlushMs: Infinity,
    draft: emptyDraft(),
    effects: [],
  };
}
