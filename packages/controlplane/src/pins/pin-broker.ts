/**
 * Takes the pins that the proxy threads propose and commits them together: at most `pinBatchMs` later, a few commands under way
 * at a time, never more waiting than `pinQueueMax`.
 *
 * Nobody waits for a pin. Without a leader they wait here, and what fails is proposed again: the first committed pin wins, so
 * nothing is done twice. Under a flood only those are committed that would be lost otherwise: of sessions whose first choice is
 * no longer what they have. All others get the same backend everywhere without a pin; they are skipped and counted.
 */
import { PIN_NEEDED, PIN_PROPOSAL_WORDS } from '@flotilla/shared';
import { pinBatchMax, pinBatchMs, pinCommandsMax, pinLagMaxMs, pinQueueMax, pinRetryMs } from '../limits.ts';

const SLOT = PIN_PROPOSAL_WORDS - 1;

export interface PinBrokerOptions {
  readonly propose: (items: Int32Array) => Promise<unknown>;
  /** Nobody could commit anything now: it has to wait. */
  readonly quiet: () => boolean;
  readonly onSkipped: (count: number) => void;
}

export class PinBroker {
  readonly #options: PinBrokerOptions;
  readonly #queue = new Int32Array(2 * pinQueueMax * PIN_PROPOSAL_WORDS);
  /** Words in use. */
  #used = 0;
  #underWay = 0;
  /** When the oldest command under way was proposed. */
  readonly #startsMs: number[] = [];
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: PinBrokerOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#used / PIN_PROPOSAL_WORDS;
  }

  /** The queue is full, or commits take too long to keep up. */
  get flooded(): boolean {
    const oldestMs = this.#startsMs[0];
    const lags = oldestMs !== undefined && performance.now() - oldestMs > pinLagMaxMs;
    return lags || this.waiting >= pinQueueMax;
  }

  /** `skipped`: what the thread did not even propose. */
  offer(words: Int32Array, skipped: number): void {
    let dropped = skipped;
    for (let at = 0; at + PIN_PROPOSAL_WORDS <= words.length; at += PIN_PROPOSAL_WORDS) {
      const isNeeded = ((words[at + SLOT] ?? 0) & PIN_NEEDED) !== 0;
      if (this.#closed || this.#used === this.#queue.length || (!isNeeded && this.flooded)) dropped += 1;
      else this.#push(words, at);
    }
    if (dropped > 0) this.#options.onSkipped(dropped);
    this.#flushIn(pinBatchMs);
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#used = 0;
  }

  #takeBack(items: Int32Array): void {
    if (this.#closed || this.#used + items.length > this.#queue.length) {
      this.#options.onSkipped(items.length / PIN_PROPOSAL_WORDS);
      return;
    }
    this.#queue.set(items, this.#used);
    this.#used += items.length;
  }

  #push(words: Int32Array, at: number): void {
    for (let word = 0; word < PIN_PROPOSAL_WORDS; word += 1) this.#queue[this.#used + word] = words[at + word] ?? 0;
    this.#used += PIN_PROPOSAL_WORDS;
    const slot = this.#used - 1;
    this.#queue[slot] = (this.#queue[slot] ?? 0) & ~PIN_NEEDED;
  }

  #flushIn(ms: number): void {
    if (this.#used > 0 && !this.#closed) this.#timer ??= setTimeout(() => this.#flush(), ms);
  }

  #flush(): void {
    this.#timer = null;
    if (this.#options.quiet()) return this.#flushIn(pinRetryMs);
    while (this.#used > 0 && this.#underWay < pinCommandsMax && !this.#closed) {
      const length = Math.min(this.#used, pinBatchMax * PIN_PROPOSAL_WORDS);
      const items = this.#queue.slice(0, length);
      this.#queue.copyWithin(0, length, this.#used);
      this.#used -= length;
      void this.#commit(items);
    }
  }

  async #commit(items: Int32Array): Promise<void> {
    this.#underWay += 1;
    const startedMs = performance.now();
    this.#startsMs.push(startedMs);
    const committed = await this.#options.propose(items).then(
      () => true,
      () => false,
    );
    this.#underWay -= 1;
    this.#startsMs.splice(this.#startsMs.indexOf(startedMs), 1);
    if (!committed) this.#takeBack(items);
    this.#flushIn(committed ? 0 : pinRetryMs);
  }
}
