/**
 * Growing byte writer and bounds-checked reader: the alphabet of the wire and of the store.
 *
 * Hand-written because every entry passes here three times; integers are 64-bit big-endian and must be safe integers.
 */
const INITIAL_BYTES = 4096;
const HIGH = 2 ** 32;

/** Bytes that are not what the format says. Never a bug of ours alone: the other side or the disk produced them. */
export class FormatError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FormatError';
  }
}

export class ByteWriter {
  buffer: Buffer;
  length = 0;

  constructor(initialBytes: number = INITIAL_BYTES) {
    this.buffer = Buffer.allocUnsafeSlow(initialBytes);
  }

  /** Makes room for `bytes` more and answers where they start. */
  reserve(bytes: number): number {
    const at = this.length;
    const end = at + bytes;
    if (end > this.buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(end, this.buffer.length * 2));
      this.buffer.copy(grown, 0, 0, at);
      this.buffer = grown;
    }
    this.length = end;
    return at;
  }

  u8(value: number): void {
    const at = this.reserve(1);
    this.buffer[at] = value;
  }

  bool(value: boolean): void {
    this.u8(value ? 1 : 0);
  }

  u32(value: number): void {
    const at = this.reserve(4);
    this.setU32(at, value);
  }

  setU32(at: number, value: number): void {
    const buffer = this.buffer;
    buffer[at] = value >>> 24;
    buffer[at + 1] = value >>> 16;
    buffer[at + 2] = value >>> 8;
    buffer[at + 3] = value;
  }

  /** A safe integer ≥ 0 as 64 bits. */
  u53(value: number): void {
    const at = this.reserve(8);
    this.setU32(at, Math.floor(value / HIGH));
    this.setU32(at + 4, value >>> 0);
  }

  raw(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.buffer.set(bytes, at);
  }

  bytes(bytes: Uint8Array): void {
    this.u32(bytes.length);
    this.raw(bytes);
  }

  /** A string of at most 65,535 bytes. */
  text(value: string): void {
    const encoded = Buffer.from(value, 'utf8');
    if (encoded.length > 0xffff) throw new RangeError('text is longer than 65,535 bytes');
    this.u8(encoded.length >>> 8);
    this.u8(encoded.length);
    this.raw(encoded);
  }

  texts(values: readonly string[]): void {
    this.u32(values.length);
    for (const value of values) this.text(value);
  }

  /** What was written; the writer must not be used again unless `reset`. */
  done(): Buffer {
    return this.buffer.subarray(0, this.length);
  }
}

export class ByteReader {
  readonly buffer: Buffer;
  at: number;
  readonly end: number;

  constructor(buffer: Buffer, start = 0, end: number = buffer.length) {
    this.buffer = buffer;
    this.at = start;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.at;
  }

  /** Steps over `bytes` and answers where they start. */
  take(bytes: number): number {
    const at = this.at;
    if (bytes > this.end - at) throw new FormatError(`needs ${bytes} bytes, has ${this.end - at}`);
    this.at = at + bytes;
    return at;
  }

  u8(): number {
    return this.buffer[this.take(1)] as number;
  }

  bool(): boolean {
    const value = this.u8();
    if (value > 1) throw new FormatError(`not a boolean: ${value}`);
    return value === 1;
  }

  u32(): number {
    const at = this.take(4);
    return this.buffer.readUInt32BE(at);
  }

  u53(): number {
    const at = this.take(8);
    const value = this.buffer.readUInt32BE(at) * HIGH + this.buffer.readUInt32BE(at + 4);
    if (value > Number.MAX_SAFE_INTEGER) throw new FormatError('integer beyond 2^53');
    return value;
  }

  /** Bytes of the underlying buffer, not a copy. */
  raw(length: number): Buffer {
    const at = this.take(length);
    return this.buffer.subarray(at, at + length);
  }

  bytes(): Buffer {
    return this.raw(this.u32());
  }

  text(): string {
    const length = (this.u8() << 8) | this.u8();
    const at = this.take(length);
    return this.buffer.toString('utf8', at, at + length);
  }

  texts(maxCount: number): string[] {
    const count = this.u32();
    if (count > maxCount) throw new FormatError(`list of ${count}, at most ${maxCount} allowed`);
    return Array.from({ length: count }, () => this.text());
  }

  /** Nothing may follow. */
  finish(): void {
    if (this.at !== this.end) throw new FormatError(`${this.end - this.at} bytes too many`);
  }
}
