/**
 * Every bound of the node process, with its unit in its name.
 */

/** Proxy threads that one node can run: a slot of shared memory each. */
export const PROXY_THREADS_MAX = 64;

/** First pause before a crashed thread is started again; doubles up to the longest one. */
export const RESTART_BACKOFF_MIN_MS = 100;
export const RESTART_BACKOFF_MAX_MS = 5_000;
/** A thread that lived this long is taken for healthy: its next crash starts from the shortest pause again. */
export const RESTART_HEALTHY_AFTER_MS = 30_000;

/** Time that established work gets when the process is asked to stop, where `drainMs` says nothing else. */
export const DRAIN_DEFAULT_MS = 4_000;
export const DRAIN_MAX_MS = 3_600_000;
/** On top of the drain: threads that have not ended by then are ended. */
export const STOP_GRACE_MS = 600;

/** From -20 (first) to 19 (last), as nice(2): five steps are about three times the share of a processor that is wanted by all. */
export const CONTROL_NICENESS = -10;
/** Before V8's helpers. Not -10: writes would wait for a busy proxy thread twice as long (p99). */
export const PROXY_NICENESS = -5;
/** Heap of the control thread: replicated state, pins, the log that is not yet compacted. */
export const CONTROL_HEAP_MAX_MB = 2_048;
/** Young generation of the control thread: rows of the history and the audit trail die here without being copied. */
export const CONTROL_YOUNG_MAX_MB = 96;
/** Heap of one proxy thread. Bodies are Buffers outside of it; tables and connections are inside. */
export const PROXY_HEAP_MAX_MB = 768;
/** Young generation of a proxy thread: most of what a request allocates dies here without being copied. */
export const PROXY_YOUNG_MAX_MB = 64;
/** Lost lines of the access log are told of this often at most. */
export const ACCESS_DROPS_TOLD_MS = 10_000;
