/**
 * Every bound of the HTTP/2 engine that is not a setting, with its unit in its name. What both engines share is in `../limits.ts`.
 */

/** Largest frame that we accept and send: the protocol's own default, so that no peer needs to be told. */
export const FRAME_MAX_BYTES = 16_384;
/** Bytes of one stream that a peer may send before we have passed them on. */
export const STREAM_WINDOW_BYTES = 131_072;
/** Bytes of all streams under way between a peer and us; given back on arrival, so that no stream holds up the others. */
export const CONNECTION_WINDOW_BYTES = 1_048_576;
/** With the stream window it bounds what one connection can make us hold: 16 MiB. */
export const CONCURRENT_STREAMS_MAX_COUNT = 128;
/** What we assume that a backend takes until its settings say so. */
export const UPSTREAM_STREAMS_DEFAULT_COUNT = 100;
/** Compressed header block, all its frames together. */
export const HEADER_BLOCK_MAX_BYTES = 65_536;
/** Frames of one header block. */
export const CONTINUATIONS_MAX_COUNT = 16;
/** HPACK table in each direction: the protocol's default. */
export const HEADER_TABLE_BYTES = 4_096;
/** Unsent bytes of one stream above which its source is paused. */
export const STREAM_PENDING_BYTES = 65_536;
/** Unsent bytes of a connection above which its streams wait. */
export const OUTPUT_HIGH_BYTES = 262_144;
/** A peer that makes us answer this much without reading it is cut. */
export const OUTPUT_MAX_BYTES = 4_194_304;

/** Frames that carry no work of their own (PING, SETTINGS, PRIORITY, empty DATA …): this many at once … */
export const CONTROL_BURST_COUNT = 1_000;
/** … and this many each second on top; every message earns some as well. */
export const CONTROL_PER_SECOND_COUNT = 100;
export const CONTROL_PER_MESSAGE_COUNT = 10;
/** Streams that a client opens and resets before they are answered, or breaks so that we reset them: CVE-2023-44487, CVE-2025-8671. */
export const RESET_BURST_COUNT = 200;
export const RESET_PER_SECOND_COUNT = 50;

/** A client that does not answer the PING behind the first GOAWAY gets the last one after this time. */
export const GOAWAY_NOTICE_MS = 1_000;
/** How often a connection looks after its timeouts. */
export const WATCH_MS = 1_000;
/** A backend that left a request unanswered must answer a PING in this time, or its connection is given up. */
export const PROBE_TIMEOUT_MS = 2_000;
