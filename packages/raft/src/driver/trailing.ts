/**
 * How much of the log stays behind a snapshot, so that a slightly late follower needs none: so many entries, and so many bytes.
 * Entries alone would keep ten thousand of ten megabytes each.
 */
import type { Index } from '../core/types.ts';

/** Entries are counted together in stretches of this size, so that there are few. */
const STRETCH_BYTES = 1024 * 1024;

interface Stretch {
  last: Index;
  bytes: number;
}

export class Trailing {
  readonly #maxCount: number;
  readonly #maxBytes: number;
  /** Oldest first; together they hold at least `maxBytes` where as much was applied. */
  readonly #stretches: Stretch[] = [];
  #bytes = 0;
  /** Before the first stretch: what follows fills the bytes already. */
  #droppable: Index = 0;

  constructor(maxCount: number, maxBytes: number) {
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes;
  }

  /** Entries up to `index` were applied, `bytes` in all since the last call. */
  grew(index: Index, bytes: number): void {
    const newest = this.#stretches.at(-1);
    if (newest !== undefined && newest.bytes + bytes <= STRETCH_BYTES) {
      newest.last = index;
      newest.bytes += bytes;
    } else this.#stretches.push({ last: index, bytes });
    this.#bytes += bytes;
    for (;;) {
      const oldest = this.#stretches[0];
      if (oldest === undefined || this.#bytes - oldest.bytes < this.#maxBytes) return;
      this.#bytes -= oldest.bytes;
      this.#droppable = oldest.last;
      this.#stretches.shift();
    }
  }

  /** What may be dropped once a snapshot at `index`, the last one that was applied, is saved: everything up to here. */
  compactTo(index: Index): Index {
    let bytes = 0;
    let droppable = this.#droppable;
    for (const stretch of this.#stretches.toReversed()) {
      bytes += stretch.bytes;
      if (bytes <= this.#maxBytes) continue;
      droppable = stretch.last;
      break;
    }
    return Math.max(0, index - this.#maxCount, droppable);
  }
}
