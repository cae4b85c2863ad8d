/** Bounds of listeners, threads and stream proxying that are not settings. */

/** Connections that the kernel completes and keeps while this thread is busy. */
export const ACCEPT_BACKLOG_COUNT = 4_096;
/** maxConnectionAgeMs varies by this much, so that connections opened together do not come back together. */
export const CONNECTION_AGE_JITTER_RATIO = 0.1;
/**
 * Idle connections of a drain end by themselves after a second of silence; at this part of the deadline at the latest, so that
 * only work that is under way is there to be cut at its end.
 */
export const DRAIN_CLOSE_IDLE_RATIO = 0.75;
/** What connections of a removed listener get to finish. */
export const REMOVED_LISTENER_DEADLINE_MS = 30_000;
/** A PROXY header of version 1: 107 bytes by the specification. */
export const PROXY_V1_MAX_BYTES = 107;
/** A PROXY header of version 2 with its extensions: more than any sender uses. */
export const PROXY_V2_MAX_BYTES = 4_096;
/** A ClientHello with the headers of its records; real ones have half to two KiB. */
export const CLIENT_HELLO_MAX_BYTES = 16_384;
/** UDP sessions of one listener and thread. */
export const UDP_SESSIONS_MAX_COUNT = 16_384;
/** Datagrams of one session that wait for its socket to be connected. */
export const UDP_WAITING_MAX_COUNT = 16;
/** Text of the access log that leaves in one message. */
export const ACCESS_LOG_BATCH_CHARS = 65_536;
export const ACCESS_LOG_FLUSH_MS = 100;
/** A port that could not be bound is tried again this often. */
export const REBIND_MS = 2_000;
/** At most one outlier proposal per backend and thread in this time. */
export const OUTLIER_REPORT_MS = 1_000;
