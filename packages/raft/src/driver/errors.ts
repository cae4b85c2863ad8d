/**
 * Errors that callers of a raft node can meet. Match on `code`, never on text.
 *
 * Only UNKNOWN_OUTCOME leaves open whether the command took effect; after every other code nothing happened (or, for
 * DISK, the process must end).
 */
export type RaftErrorCode =
  /** No leader is known, or leadership changed before the command was committed. Safe to retry. */
  | 'NO_LEADER'
  /** This node cannot reach a majority. Safe to retry, elsewhere too. */
  | 'NO_QUORUM'
  /** Only the leader can do this; `leader` says who that is. */
  | 'NOT_LEADER'
  /** Too much is under way. Retry later. */
  | 'OVERLOADED'
  /** The command is larger than a log entry may be. */
  | 'TOO_LARGE'
  /** Sent, but not heard of again in time: it may or may not be committed. */
  | 'UNKNOWN_OUTCOME'
  /** Another membership change is under way. */
  | 'CONF_PENDING'
  | 'CONF_INVALID'
  | 'DISK_FULL'
  /** The store failed; the process must end (exit code 74). */
  | 'DISK'
  /** The store is damaged or belongs to someone else. */
  | 'DAMAGED'
  /** The cluster exists without this replica: it must be added through a member. */
  | 'NOT_MEMBER'
  | 'STOPPED'
  /** Something waited for did not happen in time; nothing was changed by it. */
  | 'TIMEOUT';

export interface RaftErrorDetails {
  readonly leader?: string | null;
  readonly cause?: unknown;
}

export class RaftError extends Error {
  readonly code: RaftErrorCode;
  /** Last known leader, where that helps. */
  readonly leader: string | null;

  constructor(code: RaftErrorCode, message: string, details: RaftErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'RaftError';
    this.code = code;
    this.leader = details.leader ?? null;
  }
}
