/**
 * Every bound of the HTTP engine that is not a setting, with its unit in its name.
 *
 * They exist so that no peer, client or backend, decides how much memory or time it takes from this thread.
 */

/** A request or response head, start line included. */
export const HEAD_MAX_BYTES = 32_768;
/** Fields of one head. */
export const FIELDS_MAX_COUNT = 128;
export const TARGET_MAX_BYTES = 16_384;
/** Longest method name that is passed on; a longer one is 501. */
export const METHOD_MAX_BYTES = 64;
/** Hexadecimal digits of a chunk size: 13 of them stay an exact integer. */
export const CHUNK_SIZE_MAX_DIGITS = 13;
/** Chunk extensions are dropped, but reading past them is not free: all extensions of one body together. */
export const CHUNK_EXTENSIONS_MAX_BYTES = 16_384;
export const TRAILERS_MAX_BYTES = 16_384;
/** Digits of a Content-Length: 15 of them stay an exact integer. */
export const CONTENT_LENGTH_MAX_DIGITS = 15;

/** Up to here a head and its body travel as one Latin-1 string: node writes that from the stack, without a copy on the heap. */
export const COALESCE_MAX_BYTES = 16_384;
/** A span of a body above this stays a buffer: as text it would be copied three times. */
export const SPAN_AS_TEXT_MAX_BYTES = 4_096;
/** Unsent bytes of one socket above which its source is paused. */
export const BACKPRESSURE_BYTES = 262_144;
/** Pipelined bytes behind the running request above which the client is paused. */
export const PIPELINE_BUFFER_MAX_BYTES = 65_536;
/** A request body is kept for another try up to here. */
export const REPLAY_MAX_BYTES = 65_536;

/** Between our last byte and the end of the connection the client's bytes are read and thrown away, so that no reset eats the answer: many send a whole body before they look for one. */
export const LINGER_MAX_MS = 2_000;
export const LINGER_MAX_BYTES = 67_108_864;
/** Most idle connections kept to one backend by one thread. */
export const UPSTREAM_IDLE_MAX_COUNT = 1_024;
/** How often a pool looks for idle connections that are too old, and for slots given back by other threads. */
export const UPSTREAM_SWEEP_MS = 500;
/** Requests waiting for a connection where the pool sets no bound itself. */
export const PENDING_DEFAULT_MAX_COUNT = 1_024;
/** A backend that refused a connection is passed over for this long where another can serve. */
export const SUSPECT_MS = 2_000;
/** Interim (1xx) responses to one request. */
export const INTERIM_MAX_COUNT = 32;
/** Our own name in Via this many times: the request goes in circles. */
export const LOOP_MAX_HOPS = 4;
/** Window of the retry budget. */
export const RETRY_BUDGET_WINDOW_MS = 10_000;
