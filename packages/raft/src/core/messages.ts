/**
 * What replicas say to one another. Field by field; every message carries the sender's term (never 0 on the wire).
 * Snapshots travel as a stream on the bulk lane and reach the core as one `snapshot-received` event.
 */
import type { ConfChange, Entry, Index, Term } from './types.ts';

/** Asks for a vote (§5.2). With `pre`, asks only whether a vote would be given; grants then bind nobody. */
export interface VoteRequest {
  readonly type: 'vote';
  readonly term: Term;
  readonly pre: boolean;
  readonly lastIndex: Index;
  readonly lastTerm: Term;
  /** Leadership transfer: the voter must not refuse for having heard from a leader lately. */
  readonly transfer: boolean;
  /**
   * The last entry that the sender knows committed. Who has that very entry learns it too: a membership change may leave
   * the only eligible candidates unaware of it, and those who know it not eligible; nobody could ever win.
   */
  readonly commit?: Index;
  readonly commitTerm?: Term;
}

export interface VoteResponse {
  readonly type: 'vote-response';
  readonly term: Term;
  readonly pre: boolean;
  readonly granted: boolean;
  /** As in {@link VoteRequest}. */
  readonly commit?: Index;
  readonly commitTerm?: Term;
}

/** Log replication (§5.3). An empty `entries` is a probe. */
export interface AppendRequest {
  readonly type: 'append';
  readonly term: Term;
  readonly prevIndex: Index;
  readonly prevTerm: Term;
  readonly entries: readonly Entry[];
  readonly commit: Index;
}

export interface AppendResponse {
  readonly type: 'append-response';
  readonly term: Term;
  readonly rejected: boolean;
  /** Accepted: last index of the sender's log known to match. Rejected: the `prevIndex` that was refused. */
  readonly index: Index;
  /** Rejected: the sender's best guess where the logs agree, and the term it has there (fast backtracking). */
  readonly hintIndex: Index;
  readonly hintTerm: Term;
  /** Index and digest of the sender's state machine at its last checkpoint, '' where none: divergence is found, not presumed away. */
  readonly digestIndex: Index;
  readonly digest: string;
}

/** Leader is alive. Small, on the control lane, never behind log data. */
export interface Heartbeat {
  readonly type: 'heartbeat';
  readonly term: Term;
  /** min(match of this follower, commit): a follower may not learn of a commit beyond what it surely has. */
  readonly commit: Index;
  /** Highest read sequence waiting for confirmation; monotone per leader, never reused. */
  readonly readSeq: number;
}

export interface HeartbeatResponse {
  readonly type: 'heartbeat-response';
  readonly term: Term;
  readonly readSeq: number;
}

/** Leadership transfer: start an election at once (§3.10 of the thesis). */
export interface TimeoutNow {
  readonly type: 'timeout-now';
  readonly term: Term;
}

/** A follower's callers propose through the leader. Forwarded once; a replica that is not the leader answers `not-leader`. */
export interface ForwardedProposals {
  readonly type: 'forward';
  readonly term: Term;
  readonly proposals: readonly { readonly seq: number; readonly data: Uint8Array }[];
}

export interface ForwardResponse {
  readonly type: 'forward-response';
  readonly term: Term;
  readonly results: readonly {
    readonly seq: number;
    /** Where it was appended; the origin knows its fate when the entry at `index` is applied. 0 where refused. */
    readonly index: Index;
    readonly entryTerm: Term;
    readonly refused: ProposalRefusal | null;
  }[];
}

/** A follower forwards a membership change of its caller. */
export interface ForwardedConf {
  readonly type: 'forward-conf';
  readonly term: Term;
  readonly seq: number;
  readonly change: ConfChange;
}

/** A follower asks for a linearizable read position (§6.4 of the thesis). `seq` is unique at the asking replica. */
export interface ReadIndexRequest {
  readonly type: 'read-index';
  readonly term: Term;
  readonly seq: number;
}

export interface ReadIndexResponse {
  readonly type: 'read-index-response';
  readonly term: Term;
  readonly seq: number;
  readonly index: Index;
  readonly refused: ProposalRefusal | null;
}

/** Why the core did not take a proposal, a change or a read. Nothing happened: it is safe to try again. */
export type ProposalRefusal =
  | 'not-leader'
  | 'no-leader'
  | 'overloaded'
  | 'transferring'
  | 'no-quorum'
  | 'conf-pending'
  | 'conf-invalid'
  | 'disk-full'
  | 'stopped';

export type Message =
  | VoteRequest
  | VoteResponse
  | AppendRequest
  | AppendResponse
  | Heartbeat
  | HeartbeatResponse
  | TimeoutNow
  | ForwardedProposals
  | ForwardResponse
  | ForwardedConf
  | ReadIndexRequest
  | ReadIndexResponse;
