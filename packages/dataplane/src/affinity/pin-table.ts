/**
 * The port to the pin table: which backend a source address, a header value or an application's own cookie is pinned to.
 *
 * Answers at once from what this thread knows; a request is never held for a pin. The in-memory form here knows this thread
 * only: where pins are not shared, the deterministic first choice makes threads and nodes agree while the pool stays as it is.
 */

export interface PinTable {
  /** Id of the backend, or null. `nowMs` is log time. */
  get(pool: string, key: string, nowMs: number): string | null;
  /** Whether the last answer of `get` is this thread's own choice, which others cannot know yet. */
  readonly unconfirmed: boolean;
  /** Pins, or moves a pin, or prolongs it. */
  set(pin: Pin, nowMs: number): void;
}

export interface Pin {
  readonly pool: string;
  readonly key: string;
  readonly backendId: string;
  readonly ttlMs: number;
  /** False: everybody makes the same choice without the pin, so that it may be left out when there are too many. */
  readonly isNeeded?: boolean;
}

interface Entry {
  backendId: string;
  expiresMs: number;
}

export class MemoryPinTable implements PinTable {
  readonly unconfirmed = false;
  readonly #entries = new Map<string, Entry>();
  readonly #maxCount: number;

  /** When full, the pins that were set longest ago make room. */
  constructor(maxCount: number) {
    this.#maxCount = maxCount;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(pool: string, key: string, nowMs: number): string | null {
    const entry = this.#entries.get(keyOf(pool, key));
    return entry === undefined || entry.expiresMs <= nowMs ? null : entry.backendId;
  }

  set({ pool, key, backendId, ttlMs }: Pin, nowMs: number): void {
    const place = keyOf(pool, key);
    const known = this.#entries.get(place);
    // Most requests only prolong: no sooner than when a quarter of the time is gone.
    if (known?.backendId === backendId && known.expiresMs - nowMs > ttlMs * 0.75) return;
    this.#entries.delete(place);
    this.#entries.set(place, { backendId, expiresMs: nowMs + ttlMs });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#maxCount) break;
      this.#entries.delete(oldest);
    }
  }
}

function keyOf(pool: string, key: string): string {
  return `${pool}\0${key}`;
}
