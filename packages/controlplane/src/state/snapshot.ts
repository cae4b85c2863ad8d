/**
 * The state as bytes and back. Format 1: lines of JSON text, UTF-8: a header with the scalars, the sizes of the tables and the
 * digest, then the rows of each table as `[key,value]`, table by table in the order of the header. Where there are pins it is
 * format 2, and their records follow the last row, as bytes.
 *
 * Capturing copies references to rows, which never change, and nothing else; text is made later, slice by slice. Both ways
 * are synchronous here; `state-machine.ts` gives the event loop its turns in between.
 */
import { PIN_RECORD_BYTES } from '@flotilla/shared';
import { rebuildDerived } from './rebuild.ts';
import { SNAPSHOT_CHUNK_BYTES, SNAPSHOT_LINE_MAX_BYTES } from './limits.ts';
import { emptyState, type Meta, type State, stateDigest, TABLE_NAMES, type TableName } from './state.ts';
import { rowText } from './table.ts';

const FORMAT = 1;
const FORMAT_WITH_PINS = 2;
const NEWLINE = 0x0a;

interface Header {
  readonly format: number;
  readonly digest: string;
  readonly meta: Meta;
  /** Those that have rows: one that a version does not know is missing like one that is empty. */
  readonly tables: readonly (readonly [name: TableName, rows: number])[];
  /** Present in format 2. */
  readonly pins?: number;
}

export interface Captured {
  readonly sizeBytes: number;
  readonly digest: string;
  /** The bytes, about `SNAPSHOT_CHUNK_BYTES` at a time: each step is one slice of work. */
  readonly slices: Iterable<Uint8Array>;
}

export function captureState(state: State): Captured {
  const digest = stateDigest(state);
  const tables = TABLE_NAMES.filter((name) => state[name].size > 0).map((name) => [name, state[name].size] as const);
  const pins = state.pins.capture();
  const head = { digest, meta: { ...state.meta }, tables };
  const header: Header =
    pins.count === 0 ? { format: FORMAT, ...head } : { format: FORMAT_WITH_PINS, ...head, pins: pins.count };
  const headerBytes = new TextEncoder().encode(`${JSON.stringify(header)}\n`);
  const rows = TABLE_NAMES.map((name) => state[name].capture());
  const textBytes = TABLE_NAMES.reduce((sum, name) => sum + state[name].bytes + state[name].size, headerBytes.length);
  const sizeBytes = textBytes + pins.count * PIN_RECORD_BYTES;
  return { sizeBytes, digest, slices: writeSlices(headerBytes, rows, pins.slices) };
}

function* writeSlices(
  header: Uint8Array,
  tables: readonly { readonly keys: readonly string[]; readonly values: readonly unknown[] }[],
  pins: Iterable<Uint8Array>,
): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  yield header;
  let text = '';
  for (const { keys, values } of tables) {
    for (const [at, key] of keys.entries()) {
      text += `${rowText(key, values[at])}\n`;
      if (text.length < SNAPSHOT_CHUNK_BYTES) continue;
      yield encoder.encode(text);
      text = '';
    }
  }
  if (text !== '') yield encoder.encode(text);
  yield* pins;
}

/** Takes the bytes of a snapshot piece by piece and makes a new state of them. Throws where they are not exactly what was written. */
export class SnapshotReader {
  readonly #state: State;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  #rest = '';
  #header: Header | null = null;
  #table = 0;
  /** Rows of the present table that are still to come. */
  #left = 0;
  /** Lines that are still to come; after the last one come pins. */
  #lines = 1;
  #pins = 0;
  #record = new Uint8Array(0);

  constructor(pinsMaxCount?: number) {
    this.#state = emptyState(pinsMaxCount);
  }

  push(chunk: Uint8Array): void {
    const end = this.#endOfText(chunk);
    if (end > 0) this.#pushText(chunk.subarray(0, end));
    // The header says how many rows follow: they may be in the same chunk.
    const more = this.#endOfText(chunk.subarray(end));
    if (more > 0) this.#pushText(chunk.subarray(end, end + more));
    if (end + more < chunk.length) this.#pushPins(chunk.subarray(end + more));
  }

  /** How much of a chunk is lines that are still to come. */
  #endOfText(chunk: Uint8Array): number {
    let at = 0;
    for (let lines = this.#lines; lines > 0; lines--) {
      const newline = chunk.indexOf(NEWLINE, at);
      if (newline < 0) return chunk.length;
      at = newline + 1;
    }
    return at;
  }

  #pushText(chunk: Uint8Array): void {
    const complete = chunk.includes(NEWLINE);
    this.#rest += this.#decoder.decode(chunk, { stream: true });
    if (this.#rest.length > SNAPSHOT_LINE_MAX_BYTES) throw new Error('snapshot: a line is longer than any can be');
    if (!complete) return;
    const lines = this.#rest.split('\n');
    this.#rest = lines.pop() ?? '';
    this.#lines -= lines.length;
    for (const line of lines) this.#take(parse(line));
  }

  #pushPins(chunk: Uint8Array): void {
    const bytes = this.#record.length === 0 ? chunk : joined(this.#record, chunk);
    const whole = bytes.length - (bytes.length % PIN_RECORD_BYTES);
    this.#pins += whole / PIN_RECORD_BYTES;
    if (this.#pins > (this.#header?.pins ?? 0)) throw new Error('snapshot: it has more rows than its header says');
    this.#state.pins.addRecords(bytes.subarray(0, whole));
    this.#record = bytes.slice(whole);
  }

  finish(): State {
    if (this.#rest + this.#decoder.decode() !== '') throw new Error('snapshot: it ends in the middle of a line');
    if (this.#header === null) throw new Error('snapshot: it is empty');
    if (this.#lines > 0) throw new Error('snapshot: it has fewer rows than its header says');
    if (this.#record.length > 0 || this.#pins !== (this.#header.pins ?? 0)) {
      throw new Error('snapshot: its pins are not as many as its header says');
    }
    const digest = stateDigest(this.#state);
    if (digest !== this.#header.digest) {
      throw new Error(`snapshot: its digest is ${digest}, its header says ${this.#header.digest}`);
    }
    rebuildDerived(this.#state);
    return this.#state;
  }

  #take(value: unknown): void {
    if (this.#header === null) {
      this.#header = readHeader(value);
      Object.assign(this.#state.meta, this.#header.meta);
      this.#left = this.#header.tables[0]?.[1] ?? 0;
      this.#lines += this.#header.tables.reduce((sum, [, rows]) => sum + rows, 0);
      return;
    }
    const { tables } = this.#header;
    while (this.#left === 0 && this.#table < tables.length) this.#left = tables[++this.#table]?.[1] ?? 0;
    const name = tables[this.#table]?.[0];
    if (name === undefined) throw new Error('snapshot: it has more rows than its header says');
    const [key, row] = value as [string, never];
    this.#state[name].set(key, row);
    this.#left--;
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new Error('snapshot: a line is not JSON text');
  }
}

function readHeader(value: unknown): Header {
  const header = value as Partial<Header> | null;
  if (header?.format !== FORMAT && header?.format !== FORMAT_WITH_PINS) {
    throw new Error(`snapshot: its format is neither ${FORMAT} nor ${FORMAT_WITH_PINS}; written by another version?`);
  }
  for (const [name] of header.tables ?? []) {
    if (TABLE_NAMES.includes(name)) continue;
    throw new Error(`snapshot: it has a table "${name}", which this version does not know; written by a newer one?`);
  }
  return header as Header;
}
