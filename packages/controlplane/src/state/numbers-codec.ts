/**
 * The frequent command, `backend.set`, read from its bytes without a parser where they are what `encodeCommand` writes, with plain
 * texts. Null means nothing: `codec.ts` reads those bytes like any other command.
 *
 * A text is that of an earlier command where it is equal: nothing is allocated, and tables know it at a look.
 */
import { ID_PATTERN, WEIGHT_MAX } from '@flotilla/shared/schema';
import type { BackendSet } from './commands.ts';
import { TEXT_MAX_CHARS } from './limits.ts';

const decoder = new TextDecoder();
const bytesOf = (text: string) => new TextEncoder().encode(text);

const HEAD = bytesOf('{"v":1,"type":"backend.set","pool":"');
const ID = bytesOf(',"id":"');
const WEIGHT = bytesOf(',"weight":');
const STATES = (['enabled', 'draining', 'maintenance'] as const).map((state) => ({
  state,
  bytes: bytesOf(`,"state":"${state}"`),
}));
const AUTHOR = bytesOf(',"author":"');
const SOURCE = bytesOf(',"source":"');
const IF_MATCH = bytesOf(',"ifMatch":');
const END = bytesOf('}');

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const DIGIT_0 = 0x30;
/** Fewer than the largest integer has. */
const DIGITS_MAX_COUNT = 15;
/** Texts of one kind that are remembered; a power of two. */
const KNOWN_COUNT = 1_024;

/** Texts of one kind, and those that were read before, each at a place that follows from its characters. */
interface Kind {
  readonly pattern: RegExp;
  readonly known: (string | null)[];
}

const IDS = newKind(ID_PATTERN);
const TEXTS = newKind(`^.{0,${TEXT_MAX_CHARS}}$`);

function newKind(pattern: string): Kind {
  return { pattern: new RegExp(pattern, 'u'), known: Array.from({ length: KNOWN_COUNT }, () => null) };
}

export function decodeBackendSet(bytes: Uint8Array): BackendSet | null {
  const reader = new Reader(bytes);
  if (!reader.skip(HEAD)) return null;
  const pool = reader.text(IDS);
  if (pool === null || !reader.skip(ID)) return null;
  const id = reader.text(IDS);
  if (id === null) return null;
  const weight = reader.skip(WEIGHT) ? reader.integer() : undefined;
  const state = reader.state();
  const author = reader.skip(AUTHOR) ? reader.text(TEXTS) : undefined;
  const source = reader.skip(SOURCE) ? reader.text(TEXTS) : undefined;
  const ifMatch = reader.skip(IF_MATCH) ? reader.integer() : undefined;
  if (weight === null || author === null || source === null || ifMatch === null) return null;
  if (!reader.skip(END) || !reader.isDone || (weight ?? 0) > WEIGHT_MAX) return null;
  // One shape for all of them: what is not given is undefined.
  return { v: 1, type: 'backend.set', pool, id, weight, state, author, source, ifMatch } as BackendSet;
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isDone(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Goes past these bytes where they stand here. */
  skip(literal: Uint8Array): boolean {
    const bytes = this.#bytes;
    const at = this.#at;
    if (at + literal.length > bytes.length) return false;
    for (let nth = 0; nth < literal.length; nth++) if (bytes[at + nth] !== literal[nth]) return false;
    this.#at = at + literal.length;
    return true;
  }

  state(): BackendSet['state'] {
    for (const { state, bytes } of STATES) if (this.skip(bytes)) return state;
    return undefined;
  }

  /** An integer as JSON has it, neither negative nor too large to be exact; null where there is something else. */
  integer(): number | null {
    const bytes = this.#bytes;
    const first = this.#at;
    let value = 0;
    let at = first;
    for (; at < bytes.length; at++) {
      const digit = (bytes[at] as number) - DIGIT_0;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    this.#at = at;
    const count = at - first;
    return count === 1 || (count > 1 && count <= DIGITS_MAX_COUNT && bytes[first] !== DIGIT_0) ? value : null;
  }

  /** Visible ASCII up to the quotation mark, and goes past that; null where there is something else, or what is not of the kind. */
  text({ pattern, known }: Kind): string | null {
    const bytes = this.#bytes;
    const first = this.#at;
    let hash = 0;
    let at = first;
    for (; at < bytes.length; at++) {
      const unit = bytes[at] as number;
      if (unit === QUOTE) break;
      if (unit < 0x20 || unit > 0x7e || unit === BACKSLASH) return null;
      hash = Math.imul(hash ^ unit, 0x9e3779b1);
    }
    if (at === bytes.length) return null;
    this.#at = at + 1;
    const place = (hash >>> 16) & (KNOWN_COUNT - 1);
    const before = known[place] ?? null;
    if (before !== null && isAt(before, bytes, first, at)) return before;
    const text = decoder.decode(bytes.subarray(first, at));
    if (!pattern.test(text)) return null;
    known[place] = text;
    return text;
  }
}

function isAt(text: string, bytes: Uint8Array, first: number, end: number): boolean {
  if (text.length !== end - first) return false;
  for (let nth = 0; nth < text.length; nth++) if (text.charCodeAt(nth) !== bytes[first + nth]) return false;
  return true;
}
