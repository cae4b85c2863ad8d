/**
 * Everything that a replica knows, and nothing that it does. Each field says what it means, which file of this folder writes
 * it (where none is named: whoever makes the record, once) and what holds. What holds is checked by invariants.ts.
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
  /** Who asked: ourselves, or the follower that forwarded it and gets the answer. */
  readonly from: ReplicaId;
  /** Commit index when it was asked; -1 until the leader has committed an entry of its term (reads). Set once. */
  index: Index;
  /** It is confirmed once a quorum answered a heartbeat with this sequence or a later one. */
  readonly confirmSeq: number;
}

/** An office that is being handed over. While there is one, nothing is accepted. */
export interface Transfer {
  /** A voter other than ourselves. */
  readonly to: ReplicaId;
  /** When we give up and go on as before, on the monotonic clock. */
  readonly deadlineMs: number;
  /** TimeoutNow was sent: the target has every entry. Written by transfer; never taken back. */
  asked: boolean;
}

/** Everything that lives and dies with one leadership; dropped as a whole, so nothing leaks into another term. */
export interface Leadership {
  /**
   * One per other member, sorted by id. Entries written by replication, reads and raft; members come and go in
   * membership.
   */
  readonly progress: Map<ReplicaId, Progress>;
  /** Index of the no-op with which the term began. Only from here on does counting copies commit (§5.4.2). */
  readonly termStart: Index;
  /**
   * No further membership change before everything up to here is in force: one at a time, and none before the no-op. Written
   * by membership; only rises.
   */
  pendingConfIndex: Index;
  /** Size of what we appended in this term and nobody has committed. Written by replication; never negative. */
  uncommittedBytes: number;
  /** We are no voter any more and leave office once this is committed; 0 while we stay. Written by membership, once. */
  farewell: Index;
  /** Next heartbeat, on the monotonic clock. Written by reads, which sends them. */
  heartbeatDueMs: number;
  /**
   * When followers that no entries told of the newest commit index are told by themselves; Infinity where all were. Written
   * by replication.
   */
  commitDueMs: number;
  /**
   * No step-down for a silent quorum before this time: its answers may still be waiting in our sockets, or it is busy
   * with a heavy entry. Written by raft and patience.
   */
  quorumGraceMs: number;
  /**
   * Proposals are refused until a quorum answered this read sequence; 0 where nothing is to be confirmed. Written by
   * raft.
   */
  confirmSeq: number;
  /** Reads in the order of their `confirmSeq`; at most `maxPendingReads`. Written by reads. */
  reads: PendingRead[];
  /** Highest read sequence sent in a heartbeat of this term. Written by reads. Invariant: readSeqSent <= readSeq. */
  readSeqSent: number;
  /** Written by transfer; membership drops it where its target is no voter any more. */
  transfer: Transfer | null;
  /** Digests reported by index; see digests.ts, which writes them and bounds them. */
  readonly reports: Map<Index, Map<ReplicaId, string>>;
  /** Replicas already reported as diverged: each is told once per term. Written by digests. */
  readonly diverged: Set<ReplicaId>;
}

/** A persist effect that the host has not confirmed yet. */
export interface PendingWrite {
  readonly io: number;
  /**
   * Log up to here is on disk once this write is. Lowered by following and snapshotting when the entries are cut off again
   * (the ABA of asynchronous writes); never raised.
   */
  durableTo: Index;
  /** Term in which this write carries our vote for ourselves; 0 where it does not. */
  readonly selfVoteTerm: Term;
  /** Snapshot that is in force once this write is on disk. */
  readonly install: SnapshotMeta | null;
}

/** What this step wants written; becomes one persist effect. Begun empty and taken by durability. */
export interface Draft {
  /** Delete the log from here on, in the same batch; null where nothing conflicts. Written by following. */
  truncateFrom: Index | null;
  /** In order, behind what is left. Written by following and replication. */
  append: Entry[];
  /** Written by snapshotting. */
  install: SnapshotMeta | null;
  /** The hard state carries our vote for ourselves, which counts once it is on disk. Written by roles. */
  selfVote: boolean;
  /** Effects that must not be seen before the write is durable: votes, acknowledgements. Written by outbox only. */
  release: Effect[];
}

export interface RaftState {
  /** Who we are on this disk, for ever. */
  readonly self: ReplicaId;
  readonly config: CoreConfig;
  /** Draws election timeouts, and nothing else. */
  readonly random: Random;
  /** False: this disk may have forgotten promises; never votes, never campaigns. */
  readonly mayVote: boolean;
  /** Monotonic clock of the event being handled. Written by raft; never falls. */
  nowMs: number;
  /** Wall clock at `wallAtMs` of the monotonic one; only for stamps. Both written by raft. */
  wallMs: number;
  wallAtMs: number;
  /**
   * Log time minus the monotonic clock, as the newest entries showed it; null where none came since we started.
   * Written by log-time.
   */
  logLeadMs: number | null;
  /**
   * When the newest entry was stamped, by us or, as far as we know, by another leader; on the monotonic clock. Written by
   * log-time.
   */
  stampedAtMs: number;

  /** Latest term seen. Never falls; on disk before anything that depends on it leaves. Written by roles. */
  term: Term;
  /**
   * Whom we voted for in `term`. Set at most once per term. Written by election; roles clears it with the term, and
   * sets it to ourselves.
   */
  vote: ReplicaId | null;
  /** Written by roles (figure 4). A candidate or leader voted for itself, and may vote. */
  role: Role;
  /** Leader of `term` as far as known. Self exactly while role is leader. Written by roles. */
  leader: ReplicaId | null;
  /**
   * Appended to by following and replication, cut by following, compacted or begun anew by snapshotting. Contiguous;
   * terms never fall along it.
   */
  readonly log: RaftLog;
  /**
   * Highest index known committed. Never falls. commit <= log.lastIndex. Written by replication as leader, else by
   * following, election and snapshotting.
   */
  commit: Index;
  /**
   * Log up to here is on our disk. durable <= log.lastIndex. Raised by durability; lowered by following and
   * snapshotting where the log is cut off.
   */
  durable: Index;
  /**
   * Handed to the host. applied <= applying <= min(commit, durable). Never falls. Membership in force is that of
   * here. Written by applying and snapshotting.
   */
  applying: Index;
  /** Reported as applied by the host. Never falls. Written by applying. */
  applied: Index;
  /** Newest snapshot on our disk; the log begins at its index + 1 or before. Written by snapshotting. */
  snapshot: SnapshotMeta | null;
  /** Membership in force (the one of `applying`). Written by membership and snapshotting. */
  conf: ConfState;
  /** A received snapshot is being written; nothing is applied meanwhile. Written by snapshotting and durability. */
  installing: boolean;
  /**
   * Follower: our log equals the leader's up to here, proven by an append of this term; 0 where nothing is proven yet. The
   * leader's commit index is believed no further. Raised by following and snapshotting; roles clears it with the term.
   */
  matched: Index;

  /** Answers to the current (pre-)campaign; the first of each counts. Written by election; roles clears it. */
  votes: Map<ReplicaId, boolean>;
  /** The current campaign was asked for by the leader. Written by election. */
  campaignTransfer: boolean;
  /** When to campaign unless a leader is heard; Infinity while leading. Written by roles, election and raft. */
  electionDeadlineMs: number;
  /** No campaign before: the leader is busy with a heavy entry. Falls back to 0 with its office. Written by patience and roles. */
  patientUntilMs: number;
  /** When the leader was last heard; -Infinity where never. Written by raft. */
  leaderContactMs: number;
  /** Non-null exactly while role is leader. Written by roles. */
  leading: Leadership | null;
  /**
   * Numbers rounds of read confirmation. Only rises, for the life of the process: an old answer can never fit a new
   * read. Written by reads and raft.
   */
  readSeq: number;
  /**
   * Our reads that the leader was asked about: sequence to deadline, oldest first; at most `maxPendingReads`. Written
   * by reads.
   */
  readonly forwardedReads: Map<number, number>;
  /** Peers whose link is known to be down. Written by raft. */
  readonly down: Set<ReplicaId>;
  /**
   * As the host last said: a write takes too long; room runs out. Both written by raft. A stalled disk neither leads
   * nor campaigns, a full one accepts nothing.
   */
  diskStalled: boolean;
  diskFull: boolean;
  /** Our own state digests by index, oldest first; at most `maxCheckpoints`. Written by digests. */
  readonly checkpoints: Map<Index, string>;
  /** Newest of them: travels with every acknowledgement. Written by digests. */
  lastCheckpoint: { readonly index: Index; readonly digest: string };

  /** Number of the last persist effect emitted; rises by one. Written by durability. */
  io: number;
  /** Hard state in that effect. Written by durability. */
  hardWritten: HardState;
  /** Not confirmed yet, oldest first: they are confirmed in this order and no other. Written by durability. */
  readonly writes: PendingWrite[];
  /** When an otherwise unwritten commit index is flushed; Infinity where there is none. Written by durability. */
  commitFlushMs: number;
  /** Of the step under way. */
  draft: Draft;
  /**
   * Effects of the step under way, in the order in which they are to be performed. Begun anew by raft, added to by
   * all.
   */
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
  const log = new RaftLog(recovered.entries, recovered.firstIndex, baseTerm);
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
    patientUntilMs: 0,
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
