/**
 * Header blocks to fields (RFC 7541). Bounded: a list that is too long is read to its end, as the tables must stay alike, but its
 * fields are dropped as they come.
 */
import { ENTRY_OVERHEAD_BYTES, DynamicTable, STATIC_COUNT, STATIC_NAMES, STATIC_VALUES } from './hpack-table.ts';
import { huffmanDecode } from './huffman.ts';
import { HEADER_BLOCK_MAX_BYTES, HEADER_TABLE_BYTES } from './limits.ts';

/** A Huffman code has at least five bits. */
const scratch = Buffer.allocUnsafeSlow(Math.ceil((HEADER_BLOCK_MAX_BYTES * 8) / 5));
const INTEGER_MAX = 0x0fffffff;

export class HpackDecoder {
  readonly #table = new DynamicTable(HEADER_TABLE_BYTES);
  #block: Buffer = scratch;
  #at = 0;
  #end = 0;
  /** Whether the last list was longer than allowed. */
  tooLarge = false;

  /** Names and values in turn, Latin-1; null: the block is malformed and the tables are lost (COMPRESSION_ERROR). */
  decode(block: Buffer, start: number, end: number, maxListBytes: number): string[] | null {
    this.#block = block;
    this.#at = start;
    this.#end = end;
    this.tooLarge = false;
    const fields: string[] = [];
    let listBytes = 0;
    while (this.#at < end) {
      const first = block[this.#at] as number;
      if ((first & 0xe0) === 0x20) {
        // A change of the table's size comes before all fields (§4.2).
        if (listBytes > 0 || !this.#resize()) return null;
        continue;
      }
      const before = fields.length;
      if (!((first & 0x80) === 0 ? this.#literal(first, fields) : this.#indexed(fields))) return null;
      listBytes += (fields[before] as string).length + (fields[before + 1] as string).length + ENTRY_OVERHEAD_BYTES;
      if (listBytes > maxListBytes) {
        this.tooLarge = true;
        fields.length = 0;
      }
    }
    return fields;
  }

  #resize(): boolean {
    const size = this.#integer(0x1f);
    if (size < 0 || size > HEADER_TABLE_BYTES) return false;
    this.#table.resize(size);
    return true;
  }

  #indexed(fields: string[]): boolean {
    const index = this.#integer(0x7f);
    if (index < 1) return false;
    const name = this.#nameAt(index);
    if (name === null) return false;
    fields.push(name);
    fields.push(
      index <= STATIC_COUNT ? (STATIC_VALUES[index - 1] as string) : this.#table.value(index - STATIC_COUNT - 1),
    );
    return true;
  }

  #literal(first: number, fields: string[]): boolean {
    const indexing = (first & 0x40) !== 0;
    const index = this.#integer(indexing ? 0x3f : 0x0f);
    if (index < 0) return false;
    const name = index === 0 ? this.#string() : this.#nameAt(index);
    if (name === null) return false;
    const value = this.#string();
    if (value === null) return false;
    if (indexing) this.#table.add(name, value);
    fields.push(name);
    fields.push(value);
    return true;
  }

  #nameAt(index: number): string | null {
    if (index <= STATIC_COUNT) return STATIC_NAMES[index - 1] as string;
    const age = index - STATIC_COUNT - 1;
    return age < this.#table.count ? this.#table.name(age) : null;
  }

  /** -1: it does not end, or is absurdly large. */
  #integer(mask: number): number {
    let value = (this.#block[this.#at++] as number) & mask;
    if (value < mask) return value;
    for (let shift = 0; this.#at < this.#end; shift += 7) {
      const byte = this.#block[this.#at++] as number;
      value += (byte & 0x7f) * 2 ** shift;
      if (value > INTEGER_MAX || shift > 28) return -1;
      if ((byte & 0x80) === 0) return value;
    }
    return -1;
  }

  #string(): string | null {
    if (this.#at >= this.#end) return null;
    const isHuffman = ((this.#block[this.#at] as number) & 0x80) !== 0;
    const length = this.#integer(0x7f);
    const start = this.#at;
    if (length < 0 || start + length > this.#end) return null;
    this.#at = start + length;
    if (!isHuffman) return this.#block.toString('latin1', start, this.#at);
    const decoded = huffmanDecode(this.#block, start, this.#at, scratch);
    return decoded < 0 ? null : scratch.toString('latin1', 0, decoded);
  }
}
