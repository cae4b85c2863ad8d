/**
 * How many connections may be open: per listener and per client address of a listener (IPv6: per /64).
 *
 * The limits of the configuration are per node; each thread admits its share of a listener's, because SO_REUSEPORT spreads
 * connections evenly. A single client's few connections are not spread evenly, so each thread admits a client's full number:
 * a node with N threads lets a client have at most N times its limit, and never refuses one below it.
 */

export class Admission {
  readonly #threadCount: number;
  readonly #open: Int32Array;
  readonly #threadId: number;
  readonly #listeners = new Map<string, number>();
  readonly #clients = new Map<string, number>();

  /** `connections` is the node's shared count per thread; this thread's starts at 0 again after a crash. */
  constructor(connections: SharedArrayBuffer, threadId: number) {
    this.#open = new Int32Array(connections);
    this.#threadCount = Math.max(1, this.#open.length);
    this.#threadId = threadId;
    if (threadId < this.#open.length) Atomics.store(this.#open, threadId, 0);
  }

  /** `limit` 0: none. Every true must be followed by one {@link leaveListener}. */
  enterListener(listener: string, limit: number): boolean {
    const open = this.#listeners.get(listener) ?? 0;
    if (limit > 0 && open >= Math.ceil(limit / this.#threadCount)) return false;
    this.#listeners.set(listener, open + 1);
    this.#count(1);
    return true;
  }

  leaveListener(listener: string): void {
    this.#listeners.set(listener, Math.max(0, (this.#listeners.get(listener) ?? 0) - 1));
    this.#count(-1);
  }

  /** `limit` 0: none. Every true must be followed by one {@link leaveClient}. */
  enterClient(listener: string, client: string, limit: number): boolean {
    const key = `${listener} ${client}`;
    const open = this.#clients.get(key) ?? 0;
    if (limit > 0 && open >= limit) return false;
    this.#clients.set(key, open + 1);
    return true;
  }

  leaveClient(listener: string, client: string): void {
    const key = `${listener} ${client}`;
    const open = this.#clients.get(key) ?? 0;
    // Addresses are unbounded: a client without connections is forgotten.
    if (open <= 1) this.#clients.delete(key);
    else this.#clients.set(key, open - 1);
  }

  #count(change: number): void {
    if (this.#threadId < this.#open.length) Atomics.add(this.#open, this.#threadId, change);
  }
}
