/**
 * Every bound of the command line, with its unit in its name.
 */

/** A server that has not accepted the connection by then is passed over. */
export const CONNECT_TIMEOUT_MS = 2_000;
/** A server that has not said by then that it is a node is passed over. */
export const INTRODUCTION_TIMEOUT_MS = 5_000;
/** Longest wait for an answer; longer than the API's own, so that its error is seen rather than ours. */
export const ANSWER_TIMEOUT_MS = 65_000;
/** How long a command goes on asking while the cluster has no leader. */
export const RETRY_FOR_DEFAULT_MS = 10_000;
export const RETRY_PAUSE_MS = 250;
/** How often the progress of a drain is asked for. */
export const DRAIN_POLL_MS = 250;
/** A node that was restarted in place and is not back by then needs somebody to look at it. */
export const RESTART_WAIT_MS = 60_000;

/** Sample backend: the most that /bytes sends and /slow waits. */
export const SAMPLE_BYTES_MAX = 1 << 30;
export const SAMPLE_CHUNK_BYTES = 65_536;
export const SAMPLE_WAIT_MAX_MS = 600_000;
export const SAMPLE_BODY_MAX_BYTES = 1 << 30;
/** Longer than any balancer keeps an idle connection, so that it is never the backend that closes first. */
export const SAMPLE_KEEP_ALIVE_MS = 650_000;
export const SAMPLE_STOP_MS = 1_000;

/** Demo: what a start may take before it is given up. */
export const DEMO_READY_MS = 60_000;
export const DEMO_POLL_MS = 100;
export const DEMO_WATCH_MS = 500;
/** Demo: Ctrl-C to the end of everything stays below five seconds. */
export const DEMO_DRAIN_MS = 2_500;
export const DEMO_STOP_MS = 4_200;
