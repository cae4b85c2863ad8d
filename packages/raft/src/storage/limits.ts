/** Limits of the LevelDB store. */

/** Entries are stored in blocks of about this size: one key per batch, not one per entry. */
export const BLOCK_MAX_BYTES = 256 * 1024;
export const SNAPSHOT_CHUNK_BYTES = 256 * 1024;
/** Received snapshots that are kept until one of them is installed: raft asks for one at the latest while the next arrives. */
export const COMPLETE_MAX_COUNT = 2;
/** Keys deleted in one batch by compaction, so that it never holds up an append for long. */
export const DELETES_PER_BATCH_COUNT = 512;
/** A page is decoded in one turn of the event loop. */
export const READ_AHEAD_BYTES = 256 * 1024;
export const READ_AHEAD_COUNT = 256;
/** The log that was read at the start stays in memory in pieces of this size, as bytes. */
export const PACKED_PIECE_BYTES = 256 * 1024;
/** Larger than LevelDB's own default: fewer, larger table files for a log that is mostly appended and dropped. */
export const WRITE_BUFFER_BYTES = 16 * 1024 * 1024;
