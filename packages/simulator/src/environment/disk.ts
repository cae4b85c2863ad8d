/**
 * One data directory: what is on the platter, what only the cache holds, and the small file beside the database. Survives
 * crashes of the process that uses it, minus what was not synced. Knows keys and bytes, not what they mean.
 */
import type { Operation, Witness } from '@flotilla/raft/internals';
import type { SimRandom } from '../engine/random.ts';

/** Keys as text of bytes, so that a Map holds them and they sort like LevelDB's. */
export type Key = string;

export const keyOf = (key: Buffer): Key => key.toString('latin1');
export const keyBytes = (key: Key): Buffer => Buffer.from(key, 'latin1');

export interface DiskTiming {
  readonly syncMeanMs: number;
  readonly syncMinMs: number;
}

/** Told of every batch at the moment when it can no longer be lost. */
export type DurableListener = (operations: readonly Operation[]) => void;

const PLENTY_BYTES = 2 ** 40;

export class SimDisk {
  readonly timing: DiskTiming;
  readonly random: SimRandom;
  readonly durable = new Map<Key, Buffer>();
  witness: Witness | null = null;
  freeBytes = PLENTY_BYTES;
  /** Writes that end before this time wait for it. */
  stalledUntilMs = 0;
  /** The next write fails with this text. */
  nextError: string | null = null;
  onDurable: DurableListener = () => undefined;
  /** Acknowledged without sync: lost with the process, but for a prefix. */
  #unsynced: (readonly Operation[])[] = [];
  /** Under way right now. */
  #inFlight: readonly Operation[] | null = null;

  constructor(timing: DiskTiming, random: SimRandom) {
    this.timing = timing;
    this.random = random;
  }

  syncMs(): number {
    return this.timing.syncMinMs + this.random.exponential(this.timing.syncMeanMs);
  }

  begin(operations: readonly Operation[]): void {
    this.#inFlight = operations;
  }

  /** The batch reached the platter, and with it all before it. */
  commit(operations: readonly Operation[]): void {
    this.#inFlight = null;
    for (const earlier of this.#unsynced.splice(0)) this.#harden(earlier);
    this.#harden(operations);
  }

  /** The batch reached the operating system's cache only. */
  cache(operations: readonly Operation[]): void {
    this.#inFlight = null;
    this.#unsynced.push(operations);
  }

  /** An error was answered: what was under way may have reached the platter all the same. */
  fail(): void {
    const operations = this.#inFlight;
    this.#inFlight = null;
    if (operations !== null && this.random.chance(0.5)) this.commit(operations);
  }

  /**
   * The process is gone. Of what was cached a prefix survives; what was under way survives as a whole or not at all, since
   * LevelDB's log records carry checksums and a torn one is dropped. True where something was lost.
   */
  crash(): boolean {
    const torn = this.#inFlight;
    this.#inFlight = null;
    const kept = this.random.integer(this.#unsynced.length + 1);
    const lost = this.#unsynced.splice(kept).length > 0;
    for (const operations of this.#unsynced.splice(0)) this.#harden(operations);
    if (torn === null || lost) return lost || torn !== null;
    if (this.random.chance(0.5)) return true;
    this.#harden(torn);
    return false;
  }

  /** What a reader sees: the platter and the cache. */
  visible(key: Key): Buffer | undefined {
    for (let at = this.#unsynced.length - 1; at >= 0; at -= 1) {
      const operation = this.#unsynced[at]?.findLast((candidate) => keyOf(candidate.key) === key);
      if (operation !== undefined) return operation.type === 'put' ? operation.value : undefined;
    }
    return this.durable.get(key);
  }

  /** Keys in order, from `gte` up to but without `lt`. */
  keys(gte: Key, lt: Key): Key[] {
    const all = new Set(this.durable.keys());
    for (const batch of this.#unsynced) for (const operation of batch) all.add(keyOf(operation.key));
    return [...all].filter((key) => key >= gte && key < lt && this.visible(key) !== undefined).sort(byBytes);
  }

  /** Flips one bit of a value on the platter, of a key that begins with `letter`. True where there was one. */
  rot(letter: string, dice: SimRandom): boolean {
    const keys = [...this.durable.keys()].filter((key) => key.startsWith(letter)).sort(byBytes);
    if (keys.length === 0) return false;
    const key = dice.pick(keys);
    const value = Buffer.from(this.durable.get(key) as Buffer);
    const at = dice.integer(value.length);
    value[at] = (value[at] ?? 0) ^ (1 << dice.integer(8));
    this.durable.set(key, value);
    return true;
  }

  /** A copy of what is on the platter. */
  backup(): ReadonlyMap<Key, Buffer> {
    return new Map(this.durable);
  }

  /** Puts a backup in place of the database; the file beside it stays. */
  restore(backup: ReadonlyMap<Key, Buffer>): void {
    this.durable.clear();
    for (const [key, value] of backup) this.durable.set(key, value);
  }

  #harden(operations: readonly Operation[]): void {
    for (const operation of operations) {
      const key = keyOf(operation.key);
      if (operation.type === 'put') this.durable.set(key, operation.value);
      else this.durable.delete(key);
    }
    this.onDurable(operations);
  }
}

function byBytes(a: Key, b: Key): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
