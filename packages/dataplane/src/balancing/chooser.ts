/**
 * What every algorithm is: a choice of one index among weighted candidates. Weights are positive integers.
 *
 * A chooser knows nothing of verdicts, tiers or suspicion; `config/backend-pool.ts` gives it only candidates that may serve and
 * says by `skip` which of them not to take this time. Without a skip (nearly always) the fast path runs.
 */

/** True for a candidate that must not be chosen this time. */
export type Skip = (index: number) => boolean;

export interface Chooser {
  /** `keyHash` is an unsigned 32-bit hash, used by the hashing algorithms only. -1: all are skipped. */
  choose(keyHash: number, skip: Skip | null): number;
}

/** Load of a candidate: requests in flight to it from this node. */
export type LoadOf = (index: number) => number;
