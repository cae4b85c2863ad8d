/** Limits of the driver. Those of storage and transport stand beside them. */

/** Proposals of this node's callers that wait for an outcome. */
export const PROPOSALS_PENDING_MAX_COUNT = 65_536;
export const PROPOSALS_PENDING_MAX_BYTES = 64 * 1024 * 1024;
/** One command. Larger ones would hold up heartbeats behind one frame. */
export const PROPOSAL_MAX_BYTES = 12 * 1024 * 1024;
export const PROPOSAL_TIMEOUT_MS = 5_000;
/** How long a refused proposal or read rests before it is tried again, unless leadership changes earlier. */
export const RETRY_AFTER_MS = 40;

/**
 * Where the driver differs from the core's defaults. A client that writes again at once spares the followers a message; and
 * one small append under way makes the follower's disk the pace.
 */
export const CORE_CONFIG = { commitDelayMs: 2, maxPartialAppends: 1 } as const;

export const READS_PENDING_MAX_COUNT = 65_536;
/** Rounds of ReadIndex under way at once; callers beyond share the next one. */
export const READ_ROUNDS_MAX_COUNT = 8;
export const READ_TIMEOUT_MS = 5_000;

/** Waiting writes merged into one synced batch. */
export const PERSIST_MERGE_MAX_BYTES = 8 * 1024 * 1024;
/** A write of this size may take a millisecond longer before the disk is called stalled: 8 MiB/s is slow, not dead. */
export const PERSIST_BYTES_PER_MS = 8 * 1024;
export const PERSIST_MERGE_MAX_COUNT = 4_096;

/** Time that applying may hold the event loop before sockets are served again. */
export const APPLY_SLICE_MAX_MS = 3;
/** More than this is applied one turn later, when acknowledgements and heartbeats of this turn are on their way. */
export const APPLY_AT_ONCE_MAX_BYTES = 128 * 1024;
export const APPLY_STEP_ENTRIES_COUNT = 64;
export const APPLY_SLICE_MAX_ENTRIES_COUNT = 4_096;
/** A digest of the state machine is taken at every multiple of this index. */
export const DIGEST_EVERY_COUNT = 1_024;
/** And at the first entry of each such period of log time: where little is written, divergence is found as soon. */
export const DIGEST_PERIOD_MS = 500;

export const SNAPSHOT_EVERY_ENTRIES_COUNT = 20_000;
export const SNAPSHOT_EVERY_LOG_BYTES = 64 * 1024 * 1024;
/** Entries kept behind a snapshot, so that a slightly late follower needs none. */
export const SNAPSHOT_TRAILING_ENTRIES_COUNT = 10_000;
/** … as far as they are no larger together: with those until the next snapshot they bound the log on disk and in memory. */
export const SNAPSHOT_TRAILING_MAX_BYTES = 64 * 1024 * 1024;
export const SNAPSHOT_SENDS_MAX_COUNT = 2;

/** How often deadlines, disk and retries are looked at. */
export const HOUSEKEEPING_EVERY_MS = 20;
export const FREE_SPACE_CHECK_EVERY_MS = 5_000;
/** Below this the disk counts as full; it counts as free again at twice as much. */
export const FREE_SPACE_MIN_BYTES = 128 * 1024 * 1024;

export const TRANSFER_TIMEOUT_MS = 1_500;
/** How often a leader that stops looks whether somebody took over, or nobody is left who could. */
export const HAND_OVER_LOOK_MS = 5;
/** A node that stops waits this long for the outcomes of what it accepted. */
export const SETTLE_MS = 1_000;
