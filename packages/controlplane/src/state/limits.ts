/** Bounds and waiting times of the replicated state. Part of its determinism: the same on every node of a version. */

/** Configuration changes that can be read back and rolled back to. */
export const HISTORY_MAX_COUNT = 1_000;
/** All their undo records together; the oldest go first. */
export const HISTORY_MAX_BYTES = 16_777_216;
export const AUDIT_MAX_COUNT = 1_000;
/** Results of commands with an idempotency key. */
export const OUTCOMES_MAX_COUNT = 10_000;
/** All of them together: one that lists the faults of a large document is large itself. */
export const OUTCOMES_MAX_BYTES = 16_777_216;
export const OUTCOME_TTL_MS = 86_400_000;
export const MEMBERS_MAX_COUNT = 64;

/** An observer that sent nothing for this long, in log time, has no vote. Three probe intervals of the default. */
export const OBSERVER_FRESH_MS = 15_000;
/** After a longer time without a tick (no leader, no quorum, all nodes off) nobody's silence counts: nothing could be heard. */
export const TICK_GAP_MS = 5_000;
/** An observer is suspect only where at least so many backends contradict it. */
export const ISOLATION_MIN_COUNT = 2;

/** Falls within this time count as flapping. */
export const FLAP_WINDOW_MS = 300_000;
/** Falls within the window that are free of a hold-down. */
export const FLAP_FREE_COUNT = 3;
/** Hold-down grows by this much per fall beyond the free ones. */
export const HOLD_DOWN_STEP_MS = 30_000;
export const HOLD_DOWN_MAX_MS = 300_000;
/** An ejection lasts baseEjectionMs times its count, up to this. */
export const EJECTION_MAX_MS = 300_000;
/** A backend that was not ejected for this long starts again at the first ejection's length. */
export const EJECTION_FORGET_MS = 600_000;

export const DRAIN_DEADLINE_DEFAULT_MS = 30_000;
/** A day: no drain takes longer. */
export const DRAIN_MAX_MS = 86_400_000;
/** Between readiness down and closing connections: what probes and DNS in front of us need to notice. */
export const DRAIN_PROPAGATION_DEFAULT_MS = 3_000;

/** Pins of all pools together; more are not taken until some expire. 59 bytes each on every node. */
export const PINS_MAX_COUNT = 1_000_000;
/** Parts of the key space, by hash, in which the pin table is swept and cleared. */
export const PIN_PARTITIONS_COUNT = 256;
/** Of these, how many a tick sweeps: an expired pin is gone within 32 ticks. */
export const PIN_SWEEP_PARTITIONS_COUNT = 8;
/** Pins in one command: a few milliseconds of applying. */
export const PINS_PUT_MAX_COUNT = 4_096;
export const SESSION_KEY_MAX_CHARS = 8_192;

/** Bytes of one chunk of a snapshot, about: what one slice of serialising produces. */
export const SNAPSHOT_CHUNK_BYTES = 262_144;
/** What one slice of restoring takes: two thousand pins, which touch as many places of a table that is new to the memory. */
export const RESTORE_SLICE_BYTES = 65_536;
/** One line of a snapshot; the largest row is a listener with a thousand routes. */
export const SNAPSHOT_LINE_MAX_BYTES = 67_108_864;

/** Observations in one command. */
export const OBSERVATIONS_MAX_COUNT = 10_000;
/** Any free text inside a command: reasons, details, names of authors. */
export const TEXT_MAX_CHARS = 1_024;
/** Nesting of values inside a command: the document itself has eight levels. */
export const COMMAND_DEPTH_MAX_COUNT = 32;
/** Others may notice the same outage later by a probe interval and its timeout; on top of that this much. */
export const ISOLATION_SLACK_MS = 500;
export const ISOLATION_DELAY_MIN_MS = 1_000;
export const ISOLATION_DELAY_MAX_MS = 60_000;
