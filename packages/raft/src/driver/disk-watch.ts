/**
 * Watches the disk: a write that takes longer than an election would (a leader with a dead disk must not go on sending
 * heartbeats) and free space that runs out (refused politely before LevelDB meets ENOSPC). Says only what changed.
 */
import { FREE_SPACE_CHECK_EVERY_MS } from './limits.ts';
import type { RaftLogger, Storage } from './ports.ts';

export interface DiskState {
  readonly stalled: boolean;
  readonly full: boolean;
}

export class DiskWatch {
  readonly #storage: Storage;
  readonly #logger: RaftLogger;
  readonly #stallMs: number;
  readonly #minFreeBytes: number;
  #stalled = false;
  #full = false;
  #reported: DiskState = { stalled: false, full: false };
  #checkAtMs = 0;
  #checking = false;

  constructor(options: {
    readonly storage: Storage;
    readonly logger: RaftLogger;
    readonly stallMs: number;
    readonly minFreeBytes: number;
  }) {
    this.#storage = options.storage;
    this.#logger = options.logger;
    this.#stallMs = options.stallMs;
    this.#minFreeBytes = options.minFreeBytes;
  }

  get state(): DiskState {
    return this.#reported;
  }

  /** The state if it differs from what was told last, else null. */
  check(nowMs: number, overdueMs: number): DiskState | null {
    this.#stalled = overdueMs > this.#stallMs;
    if (nowMs >= this.#checkAtMs && !this.#checking) {
      this.#checkAtMs = nowMs + FREE_SPACE_CHECK_EVERY_MS;
      void this.#measure();
    }
    if (this.#stalled === this.#reported.stalled && this.#full === this.#reported.full) return null;
    if (this.#stalled !== this.#reported.stalled) {
      this.#logger.warn({ overdueMs }, this.#stalled ? 'the disk does not answer' : 'the disk answers again');
    }
    this.#reported = { stalled: this.#stalled, full: this.#full };
    return this.#reported;
  }

  async #measure(): Promise<void> {
    this.#checking = true;
    try {
      const freeBytes = await this.#storage.freeBytes();
      const full = freeBytes < this.#minFreeBytes * (this.#full ? 2 : 1);
      if (full !== this.#full) {
        this.#full = full;
        const text = full ? 'the disk is nearly full: writes are refused' : 'the disk has room again';
        this.#logger.warn({ freeBytes, minFreeBytes: this.#minFreeBytes }, text);
      }
    } catch (error) {
      this.#logger.warn({ reason: String(error) }, 'cannot tell the free space of the disk');
    } finally {
      this.#checking = false;
    }
  }
}
