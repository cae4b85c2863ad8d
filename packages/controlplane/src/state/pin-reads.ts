/** The pin table as people see it: one session, or pages of them in an order that every node has and that changes do not disturb. */
import { encodeShownKey, keyText, newPinKey, type StoredPin } from '@flotilla/shared';
import { ownerOf, pinSeconds } from './pinning.ts';
import type { ReadonlyState, State } from './state.ts';

const SECOND_MS = 1_000;
const REVISIONS = 4_294_967_296;
/** Parts of the key space that are read and sorted as one. */
const RANGES_COUNT = 4_096;
const RANGE_WIDTH = REVISIONS / RANGES_COUNT;
/** Ranges between two rests. */
const RANGES_PER_STEP = 32;
const WORD_DIGITS = 8;
const CURSOR = /^[0-9a-f]{48}$/;

export interface SessionItem {
  readonly pool: string;
  /** As the client gave it where it is short, else `#` and its hash. */
  readonly key: string;
  readonly backend: string;
  /** Log time. */
  readonly expiresAt: number;
  /** Log index at which it was pinned. */
  readonly revision: number;
}

/** `session`: the key as given, or as shown. */
export function readSession(state: ReadonlyState, pool: string, session: string): SessionItem | null {
  const key = newPinKey();
  encodeShownKey(pool, session, key);
  const pin = state.pins.get(key);
  return pin === null ? null : itemOf(state, pin);
}

export interface SessionQuery {
  readonly pool?: string;
  readonly limit: number;
  /** Where the page before ended; '' for the first. */
  readonly cursor: string;
}

export interface SessionPage {
  readonly items: readonly SessionItem[];
  /** Null: there are no more. */
  readonly cursor: string | null;
}

export function isSessionCursor(text: string): boolean {
  return CURSOR.test(text);
}

/** Rests now and then: whoever drives it may let others have a turn, and must not let the state be replaced meanwhile. */
export function* readSessions(state: ReadonlyState, query: SessionQuery): Generator<undefined, SessionPage> {
  const { cursor, limit } = query;
  const items: SessionItem[] = [];
  let last = '';
  const start = cursor === '' ? 0 : Math.floor(Number.parseInt(cursor.slice(0, WORD_DIGITS), 16) / RANGE_WIDTH);
  for (let range = start; range < RANGES_COUNT && state.pins.size > 0; range++) {
    for (const { place, item } of readRange(state, range, query.pool)) {
      if (place <= cursor) continue;
      if (items.length === limit) return { items, cursor: last };
      items.push(item);
      last = place;
    }
    if (range % RANGES_PER_STEP === 0) yield;
  }
  return { items, cursor: null };
}

function readRange(state: ReadonlyState, range: number, pool: string | undefined) {
  const rows: { readonly place: string; readonly item: SessionItem }[] = [];
  state.pins.range(range * RANGE_WIDTH, (range + 1) * RANGE_WIDTH, (pin, hash) => {
    const item = itemOf(state, pin);
    if (item === null || (pool !== undefined && item.pool !== pool)) return;
    rows.push({ place: [hash, pin.pool, ...pin.words].map(hexWord).join(''), item });
  });
  return rows.sort((a, b) => (a.place < b.place ? -1 : 1));
}

function hexWord(word: number): string {
  return (word >>> 0).toString(16).padStart(WORD_DIGITS, '0');
}

/** Null where it is dead: expired, or of a backend that is gone. */
function itemOf(readonly: ReadonlyState, pin: StoredPin): SessionItem | null {
  const { index, logTimeMs } = readonly.meta;
  const owner = ownerOf(readonly as State, pin.backend, pin.pool);
  if (owner === null || pin.expiresS <= pinSeconds(logTimeMs)) return null;
  return {
    pool: owner.pool,
    key: keyText(pin.words),
    backend: owner.id,
    expiresAt: pin.expiresS * SECOND_MS,
    // The table keeps the low 32 bits.
    revision: index - ((index - pin.revision) % REVISIONS),
  };
}
