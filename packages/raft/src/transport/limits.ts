/** Limits of the TCP transport. */

export const FRAME_CONTROL_MAX_BYTES = 1024 * 1024;
export const FRAME_BULK_MAX_BYTES = 16 * 1024 * 1024;
/** What a peer may send before it has proved who it is. */
export const FRAME_HANDSHAKE_MAX_BYTES = 4096;

/** Bytes that may wait in front of a slow peer; what does not fit is dropped and counted. */
export const QUEUE_CONTROL_MAX_BYTES = 1024 * 1024;
export const QUEUE_BULK_MAX_BYTES = 16 * 1024 * 1024;

export const HANDSHAKE_TIMEOUT_MS = 3_000;
/** How long a connection that we ended waits for the other side to end it too. */
export const LINGER_MS = 1_000;
/** Connections that have not proved who they are yet. Beyond, the oldest is closed. */
export const HANDSHAKES_MAX_COUNT = 128;

/** From the first packet to the end of the handshake. */
export const DIAL_TIMEOUT_MS = 2_000;
/** A dial that is older is given up when its peer is heard of: the network has come back meanwhile. */
export const DIAL_STALE_MS = 200;
export const RECONNECT_MIN_MS = 50;
export const RECONNECT_MAX_MS = 1_000;
/** After a peer closed the connection: how long to find out whether its process still lives. */
export const RESET_VERDICT_MS = 100;
/** Who closes after having been silent for longer does so for the silence (of a network, or ours), not because its process ended. */
export const CLOSE_HEARD_MAX_MS = 1_500;

/** How often connections are looked at, pinged and counted out. */
export const WATCH_EVERY_MS = 250;
export const PING_EVERY_MS = 500;
export const SILENCE_MAX_MS = 2_000;
/** A receiver that writes a snapshot to a slow disk may be silent for longer. */
export const SILENCE_SNAPSHOT_MAX_MS = 30_000;
/** Members of a later membership than ours that are let in before we hear of it. */
export const GUESTS_MAX_COUNT = 16;
/** A second process with the same identity is refused while the first was heard within this time. */
export const IDENTITY_HELD_MS = 1_000;

export const SNAPSHOT_FRAME_BYTES = 256 * 1024;
/** Received chunks that wait for the disk before the stream is paused. */
export const SNAPSHOT_WAITING_MAX_COUNT = 8;
/** A receiver that takes nothing, or owes an answer, for so long is given up. Its disk may be slow. */
export const SNAPSHOT_ANSWER_TIMEOUT_MS = 60_000;

export const FORMATION_POLL_EVERY_MS = 100;
export const FORMATION_LOG_EVERY_MS = 5_000;
export const FORMATION_HELLO_TIMEOUT_MS = 2_000;

/** The same refusal is logged once in this time per peer and code. */
export const LOG_REPEAT_MS = 10_000;

export const WRITE_SLAB_BYTES = 64 * 1024;
