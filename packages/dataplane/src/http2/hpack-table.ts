/**
 * The tables of HPACK (RFC 7541 §2.3): the static one, and the dynamic one that both sides of a direction keep alike.
 */

/** Appendix A, from index 1 on: name, or name and value. */
const STATIC_LINES =
  ':authority|:method=GET|:method=POST|:path=/|:path=/index.html|:scheme=http|:scheme=https|:status=200|:status=204|:status=206|' +
  ':status=304|:status=400|:status=404|:status=500|accept-charset|accept-encoding=gzip, deflate|accept-language|accept-ranges|' +
  'accept|access-control-allow-origin|age|allow|authorization|cache-control|content-disposition|content-encoding|' +
  'content-language|content-length|content-location|content-range|content-type|cookie|date|etag|expect|expires|from|host|' +
  'if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|last-modified|link|location|max-forwards|' +
  'proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|server|set-cookie|strict-transport-security|' +
  'transfer-encoding|user-agent|vary|via|www-authenticate';

export const STATIC_NAMES: readonly string[] = STATIC_LINES.split('|').map((line) => line.split('=')[0] as string);
export const STATIC_VALUES: readonly string[] = STATIC_LINES.split('|').map((line) => line.split('=')[1] ?? '');
export const STATIC_COUNT: number = STATIC_NAMES.length;
/** What the specification adds to each entry's length. */
export const ENTRY_OVERHEAD_BYTES = 32;

/** Newest entries first, as HPACK counts them. */
export class DynamicTable {
  #names: string[] = [];
  #values: string[] = [];
  /** Entries before it were evicted. */
  #first = 0;
  #bytes = 0;
  #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#names.length - this.#first;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** `age` 0: the newest. */
  name(age: number): string {
    return this.#names[this.#names.length - 1 - age] as string;
  }

  value(age: number): string {
    return this.#values[this.#values.length - 1 - age] as string;
  }

  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#evict(0);
  }

  add(name: string, value: string): void {
    const bytes = name.length + value.length + ENTRY_OVERHEAD_BYTES;
    this.#evict(bytes);
    // Too large for the table: it empties the table and is not in it (§4.4).
    if (bytes > this.#maxBytes) return;
    this.#names.push(name);
    this.#values.push(value);
    this.#bytes += bytes;
  }

  #evict(newBytes: number): void {
    while (this.#bytes + newBytes > this.#maxBytes && this.count > 0) {
      const at = this.#first++;
      this.#bytes -= (this.#names[at] as string).length + (this.#values[at] as string).length + ENTRY_OVERHEAD_BYTES;
    }
    if (this.#first > 64) {
      this.#names.splice(0, this.#first);
      this.#values.splice(0, this.#first);
      this.#first = 0;
    }
  }
}
