/**
 * What happened, one line per event, and a hash over all lines: two runs are the same run exactly if their hashes are equal.
 *
 *   <time in µs> <kind> <who> <details…>
 *
 * Kinds: start, stop, pause, resume (processes); role, conf, apply, restore, halt (what a node tells); send, deliver, lose
 * (messages, by type, with term); disk (a batch that became durable, by keys); fault (what the schedule did); call, return
 * (clients); phase (chaos, then heal). The docs show an example.
 */
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import type { World } from './world.ts';

export class Trace {
  readonly #world: World;
  readonly #hash: Hash = createHash('sha256');
  readonly #keep: number;
  #lines: string[] = [];
  count = 0;

  /** `keep`: how many of the last lines stay in memory. */
  constructor(world: World, keep: number) {
    this.#world = world;
    this.#keep = keep;
  }

  line(kind: string, who: string, details: string): void {
    const text = `${Math.round(this.#world.nowMs * 1000)} ${kind} ${who} ${details}`;
    this.count += 1;
    this.#hash.update(text);
    if (this.#keep === 0) return;
    this.#lines.push(text);
    if (this.#lines.length >= 2 * this.#keep) this.#lines = this.#lines.slice(-this.#keep);
  }

  get last(): readonly string[] {
    return this.#lines.slice(-this.#keep);
  }

  /** Hash of everything so far. */
  digest(): string {
    return this.#hash.copy().digest('hex').slice(0, 16);
  }
}
