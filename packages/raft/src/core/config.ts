/**
 * Timing and limits of one replica, with the relations that must hold between them. Nothing here is replicated: replicas
 * may run with different values, at worst they elect more slowly.
 */

export interface CoreConfig {
  /** Pause between two heartbeats of a leader. */
  readonly heartbeatMs: number;
  /** A follower that heard nothing for a random time between these two starts an election (§5.2). */
  readonly electionMinMs: number;
  readonly electionMaxMs: number;
  /** The same for a cluster that never had a leader, and for a retry after an election that nobody could win. */
  readonly firstElectionMinMs: number;
  readonly firstElectionMaxMs: number;
  /** The same once the leader's process is known to be gone (its connection was reset). */
  readonly failoverMinMs: number;
  readonly failoverMaxMs: number;
  /** Whoever grants a pre-vote holds back its own candidacy for this long, so that two neighbours do not split the vote. */
  readonly preVoteYieldMs: number;
  /** A commit index that no other write carried to disk is written after this long; it only saves work after a restart. */
  readonly commitFlushMs: number;
  /**
   * How long a leader may wait for an append that tells followers of a newer commit index along with its entries. Whoever
   * waits for it (its own proposal, a read) is told at once. 0: all are.
   */
  readonly commitDelayMs: number;
  /** Bytes of entries in one append message. A single larger entry still travels, alone. */
  readonly maxAppendBytes: number;
  /** Append messages, and their bytes, under way to one follower before an acknowledgement is needed. */
  readonly maxInflightMessages: number;
  readonly maxInflightBytes: number;
  /**
   * Append messages under way to one follower before entries that do not fill another wait for an answer: under load few
   * large messages and writes instead of many small ones (Nagle's rule, RFC 896). Full messages know `maxInflight…` only.
   */
  readonly maxPartialAppends: number;
  /** An entry of this size is heavy: it holds up whoever applies it, by up to `heavyEntryMs` for each such size. */
  readonly heavyEntryBytes: number;
  readonly heavyEntryMs: number;
  /** The longest silence that heavy entries excuse. */
  readonly heavyMaxMs: number;
  /** Bytes that a leader accepts before the first of them is committed. Beyond: `overloaded`. */
  readonly maxUncommittedBytes: number;
  /** Committed entries that the state machine may lag behind before a leader refuses more. */
  readonly maxUnappliedEntries: number;
  /** Linearizable reads that may wait at one replica. */
  readonly maxPendingReads: number;
  /** State digests remembered for comparison. */
  readonly maxCheckpoints: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** Memory that one entry costs beyond its data: keeps limits in bytes honest for empty entries. */
export const ENTRY_OVERHEAD_BYTES = 64;

export const DEFAULT_CORE_CONFIG: CoreConfig = {
  heartbeatMs: 100,
  electionMinMs: 400,
  electionMaxMs: 800,
  firstElectionMinMs: 50,
  firstElectionMaxMs: 200,
  failoverMinMs: 20,
  failoverMaxMs: 80,
  preVoteYieldMs: 100,
  commitFlushMs: 250,
  commitDelayMs: 0,
  maxAppendBytes: 256 * KIB,
  maxInflightMessages: 64,
  maxInflightBytes: 4 * MIB,
  maxPartialAppends: 64,
  heavyEntryBytes: 256 * KIB,
  heavyEntryMs: 125,
  heavyMaxMs: 5000,
  maxUncommittedBytes: 32 * MIB,
  maxUnappliedEntries: 5000,
  maxPendingReads: 10_000,
  maxCheckpoints: 64,
};

/** Fills in the defaults. Throws one error that lists every broken relation. */
export function resolveConfig(given: Partial<CoreConfig>): CoreConfig {
  const config: CoreConfig = { ...DEFAULT_CORE_CONFIG, ...given };
  const faults: string[] = [];
  for (const [name, value] of Object.entries(config)) {
    if (name === 'commitDelayMs' && value === 0) continue;
    if (!Number.isFinite(value) || value <= 0) faults.push(`${name} is ${value}: must be positive`);
  }
  const ordered = (low: keyof CoreConfig, high: keyof CoreConfig, factor = 1): void => {
    if (config[low] * factor > config[high]) {
      faults.push(`${low} (${config[low]}) × ${factor} must not exceed ${high} (${config[high]})`);
    }
  };
  ordered('electionMinMs', 'electionMaxMs');
  ordered('firstElectionMinMs', 'firstElectionMaxMs');
  ordered('failoverMinMs', 'failoverMaxMs');
  // A single lost heartbeat must not cost an election.
  ordered('heartbeatMs', 'electionMinMs', 2);
  ordered('maxAppendBytes', 'maxInflightBytes');
  if (faults.length > 0) throw new Error(`raft configuration: ${faults.join('; ')}`);
  return config;
}
