/** What applying a command gives: the answer for its proposer, and what readers of the state must look at again. */
import type { ErrorCode, FaultDetail, Verdict } from '@flotilla/shared';

export interface CommandOk {
  readonly ok: true;
  /** Log index of the command (of the first one, where an idempotency key replayed it). */
  readonly index: number;
  /** Revision of the configuration after it. */
  readonly revision: number;
  /** Anything of note changed. */
  readonly changed: boolean;
  /** A resource that was not there before. */
  readonly created?: boolean;
  /** The stored answer of an earlier command with the same idempotency key. */
  readonly replayed?: boolean;
}

export interface CommandRefused {
  readonly ok: false;
  readonly index: number;
  readonly revision: number;
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: readonly FaultDetail[];
  readonly replayed?: boolean;
}

export type CommandResult = CommandOk | CommandRefused;

export interface BackendKey {
  readonly pool: string;
  readonly id: string;
}

export interface SessionKey {
  readonly pool: string;
  readonly key: string;
}

export interface VerdictChange extends BackendKey {
  readonly from: Verdict;
  readonly to: Verdict;
  readonly reason: string;
}

/** What one entry, or a batch of them, changed. Empty lists and false where nothing did. */
export interface Changes {
  /** The configuration has a new revision. */
  revision: boolean;
  /** Take a new routing snapshot: more changed than backends' numbers. */
  config: boolean;
  /** Backends whose weight, state or verdict changed: a delta is enough, unless `config`. No duplicates. */
  backends: BackendKey[];
  verdicts: VerdictChange[];
  /** Ids of members that came, went, or changed their readiness or liveness. No duplicates. */
  members: string[];
  drains: string[];
  /** Nodes that were declared isolated, or no longer are. */
  isolated: string[];
  /** Nodes whose observations were dropped: each must say again all that it knows. */
  forgotten: string[];
  /** Sessions that were unpinned by name. */
  unpinned: SessionKey[];
}
