/**
 * The state as bytes and back. Format 1: lines of JSON text, UTF-8: a header with the scalars, the sizes of the tables and the
 * digest, then the rows of each table as `[key,value]`, in the order of `TABLE_NAMES`.
 *
 * Capturing copies references to rows, which never change, and nothing else; text is made later, slice by slice.
 */
import { rebuildDerived } from './rebuild.ts';
import { SNAPSHOT_CHUNK_BYTES, SNAPSHOT_LINE_MAX_BYTES } from './limits.ts';
import { emptyState, type Meta, type State, stateDigest, TABLE_NAMES } from './state.ts';
import { rowText } from './table.ts';

const FORMAT = 1;
const NEWLINE = 0x0a;

interface Header {
  readonly format: number;
  readonly digest: string;
  readonly meta: Meta;
  readonly tables: readonly (readonly [name: string, rows: number])[];
}

export interface Captured {
  readonly sizeBytes: number;
  readonly digest: string;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** `pause` is awaited between slices, so that whoever shares the loop gets a turn. */
export function captureState(state: State, pause: () => Promise<void>): Captured {
  const digest = stateDigest(state);
  const tables = TABLE_NAMES.map((name) => [name, state[name].size] as const);
  const header: Header = { format: FORMAT, digest, meta: { ...state.meta }, tables };
  const headerBytes = new TextEncoder().encode(`${JSON.stringify(header)}\n`);
  const rows = TABLE_NAMES.map((name) => state[name].capture());
  const sizeBytes = TABLE_NAMES.reduce((sum, name) => sum + state[name].bytes + state[name].size, headerBytes.length);
  return { sizeBytes, digest, chunks: writeChunks(headerBytes, rows, pause) };
}

async function* writeChunks(
  header: Uint8Array,
  tables: readonly { readonly keys: readonly string[]; readonly values: readonly unknown[] }[],
  pause: () => Promise<void>,
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  yield header;
  let text = '';
  for (const { keys, values } of tables) {
    for (const [at, key] of keys.entries()) {
      text += `${rowText(key, values[at])}\n`;
      if (text.length < SNAPSHOT_CHUNK_BYTES) continue;
      yield encoder.encode(text);
      text = '';
      await pause();
    }
  }
  if (text !== '') yield encoder.encode(text);
}

/** Reads a snapshot into a new state. Throws where it is not exactly what was written. */
export async function readSnapshot(chunks: AsyncIterable<Uint8Array>, pause: () => Promise<void>): Promise<State> {
  const state = emptyState();
  let header: Header | null = null;
  let table = 0;
  let left = 0;
  for await (const lines of linesOf(chunks)) {
    for (const line of lines) {
      const value: unknown = parse(line);
      if (header === null) {
        header = readHeader(value);
        Object.assign(state.meta, header.meta);
        left = header.tables[0]?.[1] ?? 0;
        continue;
      }
      while (left === 0 && table < TABLE_NAMES.length) left = header.tables[++table]?.[1] ?? 0;
      const name = TABLE_NAMES[table];
      if (name === undefined) throw new Error('snapshot: it has more rows than its header says');
      const [key, row] = value as [string, never];
      state[name].set(key, row);
      left--;
    }
    await pause();
  }
  if (header === null) throw new Error('snapshot: it is empty');
  const digest = stateDigest(state);
  if (digest !== header.digest) {
    throw new Error(`snapshot: its digest is ${digest}, its header says ${header.digest}`);
  }
  rebuildDerived(state);
  return state;
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
  const names = header.tables?.map(([name]) => name).join();
  if (names !== TABLE_NAMES.join()) throw new Error('snapshot: its tables are not those of this version');
  return header as Header;
}

/** Whole lines, as many at a time as a chunk completes. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  for await (const chunk of chunks) {
    const hasEnd = chunk.includes(NEWLINE);
    rest += decoder.decode(chunk, { stream: true });
    if (rest.length > SNAPSHOT_LINE_MAX_BYTES) throw new Error('snapshot: a line is longer than any can be');
    if (!hasEnd) continue;
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    yield lines;
  }
  rest += decoder.decode();
  if (rest !== '') throw new Error('snapshot: it ends in the middle of a line');
}
