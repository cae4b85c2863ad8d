/**
 * What a waiting caller holds: a promise with a deadline. One object per caller, no timer of its own.
 */
import { RaftError } from './errors.ts';
import type { RaftErrorCode } from './errors.ts';
import type { ProposalRefusal } from '../core/messages.ts';

export interface Waiter<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: RaftError) => void;
  readonly deadlineMs: number;
}

/** What is known about the cluster when a wait ends in vain. */
export interface Outlook {
  readonly leader: string | null;
  /** Links to a majority of voters stand. */
  readonly quorumReachable: boolean;
}

/** Refusals after which the same request may simply be tried again: nothing happened, and it may work soon. */
export function isTransient(refused: ProposalRefusal): boolean {
  return refused === 'not-leader' || refused === 'no-leader' || refused === 'transferring' || refused === 'no-quorum';
}

const CODES: Record<ProposalRefusal, RaftErrorCode> = {
  'not-leader': 'NO_LEADER',
  'no-leader': 'NO_LEADER',
  transferring: 'NO_LEADER',
  overloaded: 'OVERLOADED',
  'no-quorum': 'NO_QUORUM',
  'conf-pending': 'CONF_PENDING',
  'conf-invalid': 'CONF_INVALID',
  'disk-full': 'DISK_FULL',
  stopped: 'STOPPED',
};

const MESSAGES: Partial<Record<RaftErrorCode, string>> = {
  NO_LEADER: 'no leader at the moment; nothing was changed',
  NO_QUORUM: 'a majority of members cannot be reached; nothing was changed',
  OVERLOADED: 'too many commands are waiting; nothing was changed',
  CONF_PENDING: 'another membership change is under way; nothing was changed',
  CONF_INVALID: 'the membership change is not valid; nothing was changed',
  DISK_FULL: 'the disk of the leader is nearly full; nothing was changed',
  STOPPED: 'this node is stopping; nothing was changed',
  UNKNOWN_OUTCOME: 'sent, but no outcome was heard of in time: it may or may not be committed',
};

export function raftError(code: RaftErrorCode, leader: string | null): RaftError {
  return new RaftError(code, MESSAGES[code] ?? code, { leader });
}

export function refusalError(refused: ProposalRefusal, outlook: Outlook): RaftError {
  const code = CODES[refused];
  if (code === 'NO_LEADER' && !outlook.quorumReachable) return raftError('NO_QUORUM', outlook.leader);
  return raftError(code, outlook.leader);
}
