/**
 * The state as bytes and back. Format 1: lines of JSON text, UTF-8: a header with the scalars, the sizes of the tables and the
 * digest, then the rows of each table as `[key,value]`, table by table in the order of the header.
 *
 * Capturing copies references to rows, which never change, and nothing else; text is made later, slice by slice. Both ways
 * are synchronous here; `state-machine.ts` gives the event loop its turns in between.
 */
import { rebuildDerived } from './rebuild.ts';
import { SNAPSHOT_CHUNK_BYTES, SNAPSHOT_LINE_MAX_BYTES } from './limits.ts';
import { emptyState, type Meta, type State, stateDigest, TABLE_NAMES, type TableName } from './state.ts';
import { rowText } from './table.ts';

const FORMAT = 1;
const NEWLINE = 0x0a;

interface Header {
  readonly format: number;
  readonly digest: string;
  readonly meta: Meta;
  /** Those that have rows: one that a version does not know is missing like one that is empty. */
  readonly tables: readonly (readonly [name: TableName, rows: number])[];
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
  const header: Header = { format: FORMAT, digest, meta: { ...state.meta }, tables };
  const headerBytes = new TextEncoder().encode(`${JSON.stringify(header)}\n`);
  const rows = TABLE_NAMES.map((name) => state[name].capture());
  const sizeBytes = TABLE_NAMES.reduce((sum, name) => sum + state[name].bytes + state[name].size, headerBytes.length);
  return { sizeBytes, digest, slices: writeSlices(headerBytes, rows) };
}

function* writeSlices(
  header: Uint8Array,
  tables: readonly { readonly keys: readonly string[]; readonly values: readonly unknown[] }[],
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
}

/** Takes the bytes of a snapshot piece by piece and makes a new state of them. Throws where they are not exactly what was written. */
export class SnapshotReader {
  readonly #state = emptyState();
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  #rest = '';
  #header: Header | null = null;
  #table = 0;
  /** Rows of the present table that are still to come. */
  #left = 0;

  push(chunk: Uint8Array): void {
    const complete = chunk.includes(NEWLINE);
    this.#rest += this.#decoder.decode(chunk, { stream: true });
    if (this.#rest.length > SNAPSHOT_LINE_MAX_BYTES) throw new Error('snapshot: a line is longer than any can be');
    if (!complete) return;
    const lines = this.#rest.split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#take(parse(line));
  }

  finish(): State {
    if (this.#rest + this.#decoder.decode() !== '') throw new Error('snapshot: it ends in the middle of a line');
    if (this.#header === null) throw new Error('snapshot: it is empty');
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

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new Error('snapshot: a line is not JSON text');
  }
}

function readHeader(value: unknown): Header {
  const header = value as Partial<Header> | null;
  if (header?.format !== FORMAT) throw new Error(`snapshot: its format is not ${FORMAT}; written by another version?`);
  for (const [name] of header.tables ?? []) {
    if (TABLE_NAMES.includes(name)) continue;
    throw new Error(`snapshot: it has a table "${name}", which this version does not know; written by a newer one?`);
  }
  return header as Header;
}
