/**
 * The whole state as a backup: JSON text in pieces, of one moment, read while the state goes on. Rows as they are, pins as
 * records, and the digest of exactly what is in it, so that a file that was cut or changed is known.
 *
 * Secrets (private keys, the key that signs cookies) are left out unless asked for; the digest is then that of the rest.
 */
import { redactConfig, readConfig } from './reads.ts';
import { hex } from './hash.ts';
import { SNAPSHOT_CHUNK_BYTES } from './limits.ts';
import { rebuildDerived } from './rebuild.ts';
import type { HistoryRow } from './rows.ts';
import {
  emptyState,
  metaLanes,
  type Meta,
  type ReadonlyState,
  type State,
  stateDigest,
  TABLE_NAMES,
  type TableName,
} from './state.ts';
import { rowText, Table } from './table.ts';

export const BACKUP_KIND = 'flotilla-backup';
export const BACKUP_VERSION = 2;

/** A backup file, read whole. */
export interface Backup {
  readonly kind: typeof BACKUP_KIND;
  readonly version: typeof BACKUP_VERSION;
  readonly index: number;
  readonly revision: number;
  /** Log time. */
  readonly at: number;
  readonly secrets: boolean;
  /** Private keys that were left out. */
  readonly keysLeftOut: number;
  /** The document, for people and scripts; what is restored is in `tables`. */
  readonly config: unknown;
  readonly meta: Meta;
  readonly tables: Readonly<Partial<Record<TableName, readonly (readonly [key: string, row: unknown])[]>>>;
  /** Records of pins, base64. */
  readonly pins: readonly string[];
  /** Of what is in the file. */
  readonly digest: string;
}

/** JSON text, or records of pins that are to be written as one JSON string in base64. */
export type BackupPart = string | Uint8Array;

/** Reads the state of this moment; each step is one slice of work. */
export function captureBackup(readonly: ReadonlyState, secrets: boolean): Iterable<BackupPart> {
  // Inside this folder a state that is handed out for reading is still the whole state.
  const state = readonly as State;
  const meta: Meta = { ...state.meta, ...(secrets ? {} : { affinityKey: '' }) };
  const tables = TABLE_NAMES.map((name) => {
    const { lo, hi } = state[name];
    return { name, lo, hi, ...state[name].capture() };
  });
  const captured = { meta, tables, pins: state.pins.capture(), lanes: { lo: state.pins.lo, hi: state.pins.hi } };
  const config = readConfig(state);
  const keysLeftOut = secrets ? 0 : config.certificates.filter(({ keyPem }) => keyPem !== '').length;
  const { index, revision, logTimeMs: at } = meta;
  const head = { kind: BACKUP_KIND, version: BACKUP_VERSION, index, revision, at, secrets, keysLeftOut };
  return write({ ...head, config: secrets ? config : redactConfig(config) }, captured, secrets);
}

interface Captured {
  readonly meta: Meta;
  readonly tables: readonly {
    readonly name: TableName;
    readonly lo: number;
    readonly hi: number;
    readonly keys: readonly string[];
    readonly values: readonly unknown[];
  }[];
  readonly pins: { readonly slices: Iterable<Uint8Array> };
  readonly lanes: { readonly lo: number; readonly hi: number };
}

function* write(head: object, captured: Captured, secrets: boolean): Generator<BackupPart> {
  const { meta, tables, pins } = captured;
  yield `${JSON.stringify(head).slice(0, -1)},"meta":${JSON.stringify(meta)},"tables":{`;
  const sum = { ...captured.lanes };
  const add = (lanes: { readonly lo: number; readonly hi: number }): void => {
    sum.lo = (sum.lo + lanes.lo) >>> 0;
    sum.hi = (sum.hi + lanes.hi) >>> 0;
  };
  add(metaLanes(meta));
  let first = true;
  for (const { name, keys, values, lo, hi } of tables) {
    const redact = secrets ? undefined : REDACTED[name];
    // What is left out changes the digest: that of the rest is found on the way.
    const rest = redact === undefined ? { lo, hi } : new Table<unknown>(name);
    let text = `${first ? '' : ','}"${name}":[`;
    first = false;
    for (const [at, key] of keys.entries()) {
      const row = redact === undefined ? values[at] : redact(values[at]);
      if (rest instanceof Table) rest.set(key, row);
      text += `${at === 0 ? '' : ','}${rowText(key, row)}`;
      if (text.length < SNAPSHOT_CHUNK_BYTES) continue;
      yield text;
      text = '';
    }
    yield `${text}]`;
    add(rest);
  }
  yield '},"pins":[';
  let between = '"';
  for (const slice of pins.slices) {
    yield between;
    yield slice;
    between = '","';
  }
  yield `${between === '"' ? '' : '"'}],"digest":"${hex(sum.lo, sum.hi)}"}\n`;
}

const REDACTED: Readonly<Partial<Record<TableName, (row: unknown) => unknown>>> = {
  certificates: (row) => withoutKey(row as { readonly keyPem: string }),
  history: (row) => {
    const { undo, ...rest } = row as HistoryRow;
    const { certificates } = undo;
    if (certificates === undefined) return row;
    const kept = Object.entries(certificates).map(([name, one]) => [name, one === null ? null : withoutKey(one)]);
    return { ...rest, undo: { ...undo, certificates: Object.fromEntries(kept) } };
  },
};

function withoutKey<T extends { readonly keyPem: string }>(certificate: T): T {
  return certificate.keyPem === '' ? certificate : { ...certificate, keyPem: '' };
}

/** A state as the backup has it. `pins`: their records. Throws where the file is not exactly what was written. */
export function restoreBackup(backup: Backup, pins: Iterable<Uint8Array>): State {
  const state = emptyState();
  Object.assign(state.meta, backup.meta);
  for (const name of Object.keys(backup.tables))
    if (!TABLE_NAMES.includes(name as TableName))
      throw new Error(`it has a table "${name}", which this version does not know; made by a newer one?`);
  for (const name of TABLE_NAMES)
    for (const [key, row] of backup.tables[name] ?? []) state[name].set(key, row as never);
  for (const records of pins) state.pins.addRecords(records);
  const digest = stateDigest(state);
  if (digest !== backup.digest)
    throw new Error(`its digest is ${digest}, it says ${backup.digest}: cut short or changed?`);
  rebuildDerived(state);
  return state;
}
