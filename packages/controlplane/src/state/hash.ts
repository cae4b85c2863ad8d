/**
 * A 64-bit hash of text in two 32-bit lanes, after cyrb53's multiply-xor rounds. Guards against divergence by bugs and bit rot,
 * not against an adversary: whoever can write the log can write anything. Its four multipliers are in every digest, so they never
 * change; they stand as numbers at each place, because hashing a text took twice as long with constants of the module.
 */

/** One running hash; reused, so that the hot path allocates nothing. */
export interface Lanes {
  lo: number;
  hi: number;
  /** Bytes of the text as UTF-8, counted on the way. */
  utf8Bytes: number;
}

export function newLanes(): Lanes {
  return { lo: 0, hi: 0, utf8Bytes: 0 };
}

/** Hashes `text` into `out`. `seed` tells tables apart. */
export function hashText(text: string, seed: number, out: Lanes): void {
  running.begin(seed);
  running.raw(text);
  running.end(out);
}

/** Writes the JSON text of one kind of row into a hash. */
export type RowWriter<T> = (hash: RowHash, of: T) => void;

/** As `hashText` of `JSON.stringify([key, value])`, without making that text. `value` is made of JSON values. */
export function hashRow(key: string, value: unknown, seed: number, out: Lanes): void {
  running.begin(seed);
  running.raw('[');
  running.text(key);
  running.raw(',');
  running.value(value);
  running.raw(']');
  running.end(out);
}

/** The same for a row of which `write` writes key and value, with the brackets. */
export function hashWritten<T>(write: RowWriter<T>, of: T, seed: number, out: Lanes): void {
  running.begin(seed);
  write(running, of);
  running.end(out);
}

/**
 * `text.charCodeAt(at)` without looking the method up: V8 has many kinds of strings, so here, where all of them pass, that would
 * be a search for every character.
 */
const unitAt = Function.prototype.call.bind(String.prototype.charCodeAt) as (text: string, at: number) => number;

const DIGIT_0 = 0x30;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** What `number` takes apart at once, so that each part is a small integer. */
const PART = 1e9;
const PART_DIGITS = 9;

/** A hash on its way, fed piece by piece. One is enough: nothing else runs between begin and end. */
export class RowHash {
  #a = 0;
  #b = 0;
  #bytes = 0;

  begin(seed: number): void {
    this.#a = 0xdeadbeef ^ seed;
    this.#b = 0x41c6ce57 ^ Math.imul(seed, 0x9e3779b1);
    this.#bytes = 0;
  }

  end(out: Lanes): void {
    let a = this.#a;
    let b = this.#b;
    a = Math.imul(a ^ (a >>> 16), 2_246_822_507) ^ Math.imul(b ^ (b >>> 13), 3_266_489_909);
    b = Math.imul(b ^ (b >>> 16), 2_246_822_507) ^ Math.imul(a ^ (a >>> 13), 3_266_489_909);
    out.lo = a >>> 0;
    out.hi = b >>> 0;
    out.utf8Bytes = this.#bytes;
  }

  /** The text as it is. */
  raw(text: string): void {
    let a = this.#a;
    let b = this.#b;
    let bytes = text.length;
    for (let at = 0; at < text.length; at++) {
      const unit = unitAt(text, at);
      a = Math.imul(a ^ unit, 2_654_435_761);
      b = Math.imul(b ^ unit, 1_597_334_677);
      if (unit > 0x7f) bytes += extraUtf8Bytes(unit);
    }
    this.#a = a;
    this.#b = b;
    this.#bytes += bytes;
  }

  #unit(unit: number): void {
    this.#a = Math.imul(this.#a ^ unit, 2_654_435_761);
    this.#b = Math.imul(this.#b ^ unit, 1_597_334_677);
    this.#bytes += 1;
  }

  /** Anything that JSON has. */
  value(value: unknown): void {
    switch (typeof value) {
      case 'string':
        return this.text(value);
      case 'number':
        return this.number(value);
      case 'boolean':
        return this.raw(value ? 'true' : 'false');
      case 'object':
        if (value === null) return this.raw('null');
        return Array.isArray(value) ? this.#list(value) : this.#object(value as Readonly<Record<string, unknown>>);
      default:
        // As in a list: what is not there is null.
        return this.raw('null');
    }
  }

  #list(items: readonly unknown[]): void {
    this.#unit(0x5b);
    for (let at = 0; at < items.length; at++) {
      if (at > 0) this.#unit(0x2c);
      this.value(items[at]);
    }
    this.#unit(0x5d);
  }

  #object(value: Readonly<Record<string, unknown>>): void {
    this.#unit(0x7b);
    let first = true;
    for (const name in value) {
      const field = value[name];
      if (field === undefined || !Object.hasOwn(value, name)) continue;
      if (!first) this.#unit(0x2c);
      first = false;
      this.text(name);
      this.#unit(0x3a);
      this.value(field);
    }
    this.#unit(0x7d);
  }

  /** In quotation marks. Texts in which something must be escaped are rare and are left to JSON itself. */
  text(text: string): void {
    let a = Math.imul(this.#a ^ QUOTE, 2_654_435_761);
    let b = Math.imul(this.#b ^ QUOTE, 1_597_334_677);
    let bytes = text.length + 2;
    for (let at = 0; at < text.length; at++) {
      const unit = unitAt(text, at);
      if (unit < 0x20 || unit === QUOTE || unit === BACKSLASH) return this.raw(JSON.stringify(text));
      if (unit > 0x7f) {
        // Half of a pair that may have lost the other one.
        if (unit >= 0xd800 && unit <= 0xdfff) return this.raw(JSON.stringify(text));
        bytes += extraUtf8Bytes(unit);
      }
      a = Math.imul(a ^ unit, 2_654_435_761);
      b = Math.imul(b ^ unit, 1_597_334_677);
    }
    this.#a = Math.imul(a ^ QUOTE, 2_654_435_761);
    this.#b = Math.imul(b ^ QUOTE, 1_597_334_677);
    this.#bytes += bytes;
  }

  /** As JSON writes it; null for what is no number. */
  number(value: number): void {
    if (!Number.isSafeInteger(value)) return this.raw(Number.isFinite(value) ? String(value) : 'null');
    if (value < 0) this.#unit(0x2d);
    const size = Math.abs(value);
    if (size < PART) return this.#digits(size, 1);
    const high = Math.floor(size / PART);
    this.#digits(high, 1);
    this.#digits(size - high * PART, PART_DIGITS);
  }

  /** Decimal digits of an integer below `PART`, with zeros in front up to `width`. */
  #digits(value: number, width: number): void {
    let count = width;
    let divisor = POWERS[width - 1] as number;
    while (count < PART_DIGITS && value >= divisor * 10) {
      divisor *= 10;
      count += 1;
    }
    let a = this.#a;
    let b = this.#b;
    let rest = value;
    for (let at = count; at > 0; at--) {
      const power = POWERS[at - 1] as number;
      const digit = (rest / power) | 0;
      rest -= digit * power;
      a = Math.imul(a ^ (DIGIT_0 + digit), 2_654_435_761);
      b = Math.imul(b ^ (DIGIT_0 + digit), 1_597_334_677);
    }
    this.#a = a;
    this.#b = b;
    this.#bytes += count;
  }
}

const POWERS: readonly number[] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
const running = new RowHash();

/** Beyond the one byte already counted. JSON text has surrogates in pairs only (lone ones are escaped): two units make four bytes. */
function extraUtf8Bytes(unit: number): number {
  if (unit < 0x800) return 1;
  return unit >= 0xd800 && unit <= 0xdfff ? 1 : 2;
}

export function hex(lo: number, hi: number): string {
  return (hi >>> 0).toString(16).padStart(8, '0') + (lo >>> 0).toString(16).padStart(8, '0');
}

/** The same in one call, where speed does not matter. */
export function hashHex(text: string): string {
  const out = newLanes();
  hashText(text, 0, out);
  return hex(out.lo, out.hi);
}
