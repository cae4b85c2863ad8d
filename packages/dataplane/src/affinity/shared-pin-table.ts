/**
 * The pin table as a proxy thread has it: the node's committed pins in shared memory, and a small memory of what this thread has
 * chosen itself and not seen there yet.
 *
 * Committed pins come first. What is chosen here is proposed to the control thread in batches and nobody waits for it; until it
 * shows, the session stays where it is on this thread, and other threads make the same first choice.
 */
import { encodeKey, newPinKey, PIN_NEEDED, PIN_PROPOSAL_WORDS, PinReader } from '@flotilla/shared';
import type { FoundPin } from '@flotilla/shared';
import type { PickContext, Pool } from '../config/table.ts';
import type { Pin, PinTable } from './pin-table.ts';

/** Own choices that are remembered; the oldest make room. */
const OWN_MAX_COUNT = 65_536;
/** And of their keys, which clients choose: a header may be some kilobytes long. */
const OWN_KEYS_MAX_CHARS = 8_388_608;
/** Between choosing and proposing. */
const BATCH_MS = 4;
const BATCH_MAX_COUNT = 2_048;
/** A session that asks again and is not in the table by then is proposed again. */
const PROPOSE_AGAIN_MS = 1_000;
/** A committed pin is prolonged once this much of its time is gone. */
const REFRESH_RATIO = 0.25;
/** How often, and how many of, the own choices are compared with the table. */
const CONFIRM_MS = 100;
const CONFIRM_COUNT = 2_048;
const SECOND_MS = 1_000;

/** A choice by key alone asks nothing of the request. */
const NOBODY: PickContext = { clientIp: '', path: '', query: '', header: () => undefined, tried: [] };

interface Own {
  readonly pool: string;
  readonly key: string;
  readonly backendId: string;
  readonly isNeeded: boolean;
  /** Log time. */
  readonly proposedMs: number;
  readonly expiresMs: number;
}

export interface SharedPinOptions {
  readonly pool: (name: string) => Pool | undefined;
  readonly logNowMs: () => number;
  readonly propose: (words: Int32Array, skipped: number) => void;
}

export class SharedPinTable implements PinTable {
  readonly #options: SharedPinOptions;
  readonly #own = new Map<string, Own>();
  #ownKeyChars = 0;
  readonly #key = newPinKey();
  #reader: PinReader | null = null;
  /** By slot: whose it was when last seen. */
  readonly #ids: string[] = [];
  readonly #batch = new Int32Array(BATCH_MAX_COUNT * PIN_PROPOSAL_WORDS);
  #batched = 0;
  #skipped = 0;
  #flush: NodeJS.Timeout | null = null;
  #confirming: IterableIterator<[string, Own]> | null = null;
  readonly #confirm: NodeJS.Timeout;
  unconfirmed = false;

  constructor(options: SharedPinOptions) {
    this.#options = options;
    this.#confirm = setInterval(() => this.confirm(), CONFIRM_MS);
    this.#confirm.unref();
  }

  /** Reads this table from now on. */
  attach(memory: SharedArrayBuffer | null): void {
    this.#reader = memory === null ? null : new PinReader(memory);
  }

  get(pool: string, key: string, nowMs: number): string | null {
    this.unconfirmed = false;
    const committed = this.#committed(pool, key, nowMs);
    if (committed !== null) {
      const id = this.#idOf(pool, committed.backend);
      if (id !== null) return id;
    }
    if (this.#own.size === 0) return null;
    const place = placeOf(pool, key);
    const own = this.#own.get(place);
    if (own === undefined) return null;
    if (own.expiresMs <= nowMs) {
      this.#forget(place, own);
      return null;
    }
    this.unconfirmed = true;
    return own.backendId;
  }

  set(pin: Pin, nowMs: number): void {
    const { pool, key, backendId, ttlMs, isNeeded = true } = pin;
    const slot = this.#options.pool(pool)?.backend(backendId)?.slot;
    if (slot === undefined) return;
    const committed = this.#committed(pool, key, nowMs);
    const isSame = committed?.backend === slot;
    if (isSame && committed.expiresS * SECOND_MS - nowMs > ttlMs * (1 - REFRESH_RATIO)) return;
    const place = placeOf(pool, key);
    const own = this.#own.get(place);
    const isKnown = own?.backendId === backendId && (own.isNeeded || !isNeeded);
    if (isKnown && nowMs - own.proposedMs < PROPOSE_AGAIN_MS) return;
    if (own !== undefined) this.#forget(place, own);
    this.#own.set(place, { pool, key, backendId, isNeeded, proposedMs: nowMs, expiresMs: nowMs + ttlMs });
    this.#ownKeyChars += key.length;
    if (this.#own.size > OWN_MAX_COUNT || this.#ownKeyChars > OWN_KEYS_MAX_CHARS) this.#forgetOldest();
    this.#propose(pool, key, isNeeded ? slot | PIN_NEEDED : slot);
  }

  /**
   * Forgets own choices that the table has an answer for, whichever: a pin that is taken away later must not live on here. What is
   * not there, because there was too much, and would be chosen otherwise now, is proposed as needed: before other nodes do.
   */
  confirm(): void {
    if (this.#own.size === 0 || this.#reader === null) return;
    const nowMs = this.#options.logNowMs();
    this.#confirming ??= this.#own.entries();
    for (let left = CONFIRM_COUNT; left > 0; left--) {
      const next = this.#confirming.next();
      if (next.done === true) {
        this.#confirming = null;
        return;
      }
      const [place, own] = next.value;
      if (own.expiresMs <= nowMs || this.#committed(own.pool, own.key, nowMs) !== null) this.#forget(place, own);
      else if (!own.isNeeded && this.#isOtherwiseNow(own))
        this.set({ ...own, ttlMs: own.expiresMs - nowMs, isNeeded: true }, nowMs);
    }
  }

  close(): void {
    clearInterval(this.#confirm);
    if (this.#flush !== null) clearTimeout(this.#flush);
  }

  /** Own choices that are not in the table, as far as was looked. */
  get ownCount(): number {
    return this.#own.size;
  }

  #isOtherwiseNow({ pool: name, key, backendId }: Own): boolean {
    const pool = this.#options.pool(name);
    const backend = pool?.backend(backendId) ?? null;
    if (pool === undefined || backend === null || !pool.servesPinned(backend)) return false;
    return pool.pickByKey(key, NOBODY)?.id !== backendId;
  }

  #committed(pool: string, key: string, nowMs: number): FoundPin | null {
    return this.#reader?.get(pool, key, Math.floor(nowMs / SECOND_MS)) ?? null;
  }

  #idOf(poolName: string, slot: number): string | null {
    const pool = this.#options.pool(poolName);
    if (pool === undefined) return null;
    const known = this.#ids[slot];
    if (known !== undefined && pool.backend(known)?.slot === slot) return known;
    const found = pool.backends.find((backend) => backend.slot === slot);
    if (found === undefined) return null;
    this.#ids[slot] = found.id;
    return found.id;
  }

  #forget(place: string, own: Own): void {
    this.#own.delete(place);
    this.#ownKeyChars -= own.key.length;
  }

  #forgetOldest(): void {
    for (const [place, own] of this.#own) {
      if (this.#own.size <= OWN_MAX_COUNT && this.#ownKeyChars <= OWN_KEYS_MAX_CHARS) return;
      this.#forget(place, own);
    }
  }

  #propose(pool: string, key: string, slot: number): void {
    if (this.#batched === this.#batch.length) {
      this.#skipped += 1;
      return;
    }
    encodeKey(pool, key, this.#key);
    this.#batch[this.#batched] = this.#key.pool;
    this.#batch.set(this.#key.words, this.#batched + 1);
    this.#batch[this.#batched + PIN_PROPOSAL_WORDS - 1] = slot;
    this.#batched += PIN_PROPOSAL_WORDS;
    this.#flush ??= setTimeout(() => this.#send(), BATCH_MS);
  }

  #send(): void {
    this.#flush = null;
    this.#options.propose(this.#batch.slice(0, this.#batched), this.#skipped);
    this.#batched = 0;
    this.#skipped = 0;
  }
}

function placeOf(pool: string, key: string): string {
  return `${pool}\0${key}`;
}
