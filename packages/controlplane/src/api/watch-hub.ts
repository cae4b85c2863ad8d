/**
 * The recent past as events, for `GET /v1/watch`: kept in a ring so that a watcher that lost its connection, or moved to
 * another node, resumes without a gap or is told that it cannot. An event's id is the log index that caused it, the same
 * on every node.
 */
import { FlotillaError } from '@flotilla/shared';
import { watchBufferCount, watchClientsMax } from '../limits.ts';

export type WatchType = 'config' | 'verdict' | 'member' | 'leader' | 'drain' | 'session';

export interface WatchEvent {
  readonly index: number;
  readonly type: WatchType;
  readonly data: object;
}

export type Watcher = (event: WatchEvent) => void;

export class WatchHub {
  readonly #ring: WatchEvent[] = [];
  readonly #watchers = new Set<Watcher>();
  /** Everything after this index is remembered. */
  #floor = 0;

  /** What happened up to here is not remembered (start, or a snapshot replaced the log). */
  reset(index: number): void {
    this.#ring.length = 0;
    this.#floor = index;
  }

  publish(event: WatchEvent): void {
    this.#ring.push(event);
    if (this.#ring.length > watchBufferCount * 2) {
      const dropped = this.#ring.splice(0, this.#ring.length - watchBufferCount);
      this.#floor = Math.max(this.#floor, dropped.at(-1)?.index ?? 0);
    }
    for (const watcher of this.#watchers) watcher(event);
  }

  /**
   * Everything after `from` (null: from now on), then what comes. Answers how to stop. Throws GONE where the past is
   * forgotten and TOO_MANY where there are too many watchers.
   */
  subscribe(from: number | null, watcher: Watcher): () => void {
    if (this.#watchers.size >= watchClientsMax) throw new FlotillaError('TOO_MANY', 'too many watchers on this node');
    if (from !== null && from < this.#floor)
      throw new FlotillaError('GONE', `events before ${this.#floor} are forgotten`, {
        details: [{ path: 'from', message: String(this.#floor) }],
      });
    if (from !== null) for (const event of this.#ring) if (event.index > from) watcher(event);
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}
