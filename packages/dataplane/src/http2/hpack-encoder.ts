/**
 * Fields to header blocks (RFC 7541). What repeats from message to message goes into the table and costs one byte from then on;
 * what never repeats stays out of it, and credentials are marked so that nobody indexes them.
 */
import { DynamicTable, ENTRY_OVERHEAD_BYTES, STATIC_COUNT, STATIC_NAMES, STATIC_VALUES } from './hpack-table.ts';
import { HEADER_TABLE_BYTES } from './limits.ts';

const staticNames = new Map<string, number>();
const staticFields = new Map<string, number>();
STATIC_NAMES.forEach((name, at) => {
  if (!staticNames.has(name)) staticNames.set(name, at + 1);
  if (STATIC_VALUES[at] !== '') staticFields.set(`${name}\0${STATIC_VALUES[at]}`, at + 1);
});

/** Values that differ from message to message. */
const VOLATILE = new Set([
  ':path',
  'content-length',
  'etag',
  'x-request-id',
  'x-forwarded-for',
  'traceparent',
  'grpc-timeout',
  'last-modified',
  'location',
  'if-none-match',
  'sec-websocket-key',
]);
const SECRET = new Set(['authorization', 'proxy-authorization', 'set-cookie', 'cookie']);
/** Longer values would push out what repeats. */
const INDEXED_MAX_BYTES = 512;

export class HpackEncoder {
  readonly #table = new DynamicTable(HEADER_TABLE_BYTES);
  /** Number of the entry that was added last with this content: its age is the number of those after it. */
  readonly #numbers = new Map<string, number>();
  #added = 0;
  /** A size that the peer must be told of, -1 for none, and the smallest since it was last told (§4.2). */
  #newBytes = -1;
  #smallestBytes = HEADER_TABLE_BYTES;
  #target: Buffer = Buffer.alloc(0);
  #at = 0;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE; we never use more than the default. */
  setPeerTableBytes(bytes: number): void {
    const size = Math.min(bytes, HEADER_TABLE_BYTES);
    if (size === this.#table.maxBytes) return;
    this.#table.resize(size);
    this.#newBytes = size;
    this.#smallestBytes = Math.min(size, this.#smallestBytes);
  }

  /** Writes the block at the start of `target`, which must have room for the text and some bytes per field; answers its length. */
  encode(fields: readonly string[], target: Buffer): number {
    this.#target = target;
    this.#at = 0;
    if (this.#newBytes >= 0) {
      if (this.#smallestBytes < this.#newBytes) this.#integer(0x20, 0x1f, this.#smallestBytes);
      this.#integer(0x20, 0x1f, this.#newBytes);
      this.#newBytes = -1;
      this.#smallestBytes = HEADER_TABLE_BYTES;
    }
    for (let at = 0; at < fields.length; at += 2) this.#field(fields[at] as string, fields[at + 1] as string);
    return this.#at;
  }

  #field(name: string, value: string): void {
    const nameIndex = staticNames.get(name) ?? 0;
    const indexable = !VOLATILE.has(name) && !SECRET.has(name) && value.length <= INDEXED_MAX_BYTES;
    if (indexable || name === ':path') {
      const key = `${name}\0${value}`;
      const index = (nameIndex > 0 ? staticFields.get(key) : undefined) ?? this.#dynamicIndex(key);
      if (index > 0) {
        this.#integer(0x80, 0x7f, index);
        return;
      }
      if (indexable && name.length + value.length + ENTRY_OVERHEAD_BYTES <= this.#table.maxBytes) {
        this.#literal(0x40, 0x3f, nameIndex, name, value);
        this.#table.add(name, value);
        this.#numbers.set(key, ++this.#added);
        this.#forget();
        return;
      }
    }
    this.#literal(SECRET.has(name) ? 0x10 : 0x00, 0x0f, nameIndex, name, value);
  }

  #dynamicIndex(key: string): number {
    const number = this.#numbers.get(key);
    if (number === undefined) return 0;
    const age = this.#added - number;
    if (age < this.#table.count) return STATIC_COUNT + 1 + age;
    this.#numbers.delete(key);
    return 0;
  }

  /** Evicted entries linger in the map; their keys are as many as the table's entries at most, twice over. */
  #forget(): void {
    if (this.#numbers.size <= 256) return;
    for (const [key, number] of this.#numbers) if (this.#added - number >= this.#table.count) this.#numbers.delete(key);
  }

  // oxlint-disable-next-line max-params -- the hot inner call; an object for each field would be garbage
  #literal(pattern: number, mask: number, nameIndex: number, name: string, value: string): void {
    this.#integer(pattern, mask, nameIndex);
    if (nameIndex === 0) this.#string(name);
    this.#string(value);
  }

  #integer(pattern: number, mask: number, value: number): void {
    const target = this.#target;
    if (value < mask) {
      target[this.#at++] = pattern | value;
      return;
    }
    target[this.#at++] = pattern | mask;
    let rest = value - mask;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) target[this.#at++] = (rest & 0x7f) | 0x80;
    target[this.#at++] = rest;
  }

  #string(text: string): void {
    this.#integer(0x00, 0x7f, text.length);
    this.#at += this.#target.write(text, this.#at, 'latin1');
  }
}
