/**
 * The replicated state: tables by section and a few scalars. Only `apply.ts` and `restore` write it; everybody else reads.
 *
 * Equal index means equal content on every node. What can be computed from the tables (index structures) is kept beside
 * them, is not part of the digest, and is rebuilt after a restore.
 */
import type { CertificateConfig, ListenerConfig, SettingsConfig } from '@flotilla/shared';
import { auditRow, historyRow, writeAuditRow, writeHistoryRow } from './change.ts';
import { type Derived, emptyDerived } from './derived.ts';
import { hashText, hex, newLanes } from './hash.ts';
import { JournalTable } from './journal-table.ts';
import { PinStore, type ReadonlyPins } from './pin-store.ts';
import type {
  AuditRow,
  BackendRow,
  DrainRow,
  FeatureRow,
  HistoryRow,
  MemberRow,
  ObservationsRow,
  ObserverRow,
  OutcomeRow,
  PinSweepRow,
  PoolRow,
  RestingSlotRow,
  VerdictRow,
} from './rows.ts';
import { type Section, Table } from './table.ts';

/** Scalars of the state; part of the digest. */
export interface Meta {
  /** Log index of the last entry applied. */
  index: number;
  /** Replicated time: the highest stamp so far. */
  logTimeMs: number;
  /** Index of the last configuration change; 0: none yet. */
  revision: number;
  /** Log time of the last tick. */
  tickMs: number;
  /** Where the search for a free backend slot goes on, so that a slot is not reused at once. */
  slotCursor: number;
  affinityKey: string;
}

export interface Tables {
  readonly listeners: Table<ListenerConfig>;
  readonly pools: Table<PoolRow>;
  /** By `pool/id`. */
  readonly backends: Table<BackendRow>;
  readonly certificates: Table<CertificateConfig>;
  /** One row: `settings`. */
  readonly settings: Table<SettingsConfig>;
  /** Names in the order of the document, by `listeners`, `pools`, `certificates`. */
  readonly order: Table<readonly string[]>;
  /** By revision. */
  readonly history: JournalTable<HistoryRow>;
  /** By index. */
  readonly audit: JournalTable<AuditRow>;
  /** By `pool/id`. */
  readonly observations: Table<ObservationsRow>;
  /** By `pool/id`; every backend has one. */
  readonly verdicts: Table<VerdictRow>;
  /** By node id. */
  readonly observers: Table<ObserverRow>;
  readonly members: Table<MemberRow>;
  readonly drains: Table<DrainRow>;
  readonly outcomes: Table<OutcomeRow>;
  /** By slot, in the order in which they were given back. */
  readonly restingSlots: Table<RestingSlotRow>;
  /** One row while there are pins. */
  readonly pinSweeps: Table<PinSweepRow>;
  /** Empty at the first feature level. */
  readonly features: Table<FeatureRow>;
}

export type TableName = keyof Tables;

/** In the order of a snapshot. */
export const TABLE_NAMES = [
  'listeners',
  'pools',
  'backends',
  'certificates',
  'settings',
  'order',
  'history',
  'audit',
  'observations',
  'verdicts',
  'observers',
  'members',
  'drains',
  'outcomes',
  'restingSlots',
  'pinSweeps',
  'features',
] as const satisfies readonly TableName[];

export interface State extends Tables {
  readonly meta: Meta;
  readonly pins: PinStore;
  /** Not part of the digest or of snapshots: follows from the tables. */
  readonly derived: Derived;
}

/** Reading only: what everybody but the state machine gets. */
export type ReadonlySection<V> = Pick<Section<V>, 'name' | 'size' | 'bytes' | 'get' | 'has' | 'keys' | 'entries'>;
export type ReadonlyTable<V> = ReadonlySection<V> & Pick<Table<V>, 'sortedKeys'>;
export type ReadonlyState = { readonly meta: Readonly<Meta>; readonly pins: ReadonlyPins } & {
  readonly [K in TableName]: Tables[K] extends Table<infer V>
    ? ReadonlyTable<V>
    : Tables[K] extends Section<infer V>
      ? ReadonlySection<V>
      : never;
};

/** `pinsMaxCount` must be the same on every node. */
export function emptyState(pinsMaxCount?: number): State {
  return {
    meta: { index: 0, logTimeMs: 0, revision: 0, tickMs: 0, slotCursor: 0, affinityKey: '' },
    derived: emptyDerived(),
    pins: new PinStore(pinsMaxCount),
    listeners: new Table('listeners'),
    pools: new Table('pools'),
    backends: new Table('backends'),
    certificates: new Table('certificates'),
    settings: new Table('settings'),
    order: new Table('order'),
    history: new JournalTable('history', historyRow, writeHistoryRow),
    audit: new JournalTable('audit', auditRow, writeAuditRow),
    observations: new Table('observations'),
    verdicts: new Table('verdicts'),
    observers: new Table('observers'),
    members: new Table('members'),
    drains: new Table('drains'),
    outcomes: new Table('outcomes'),
    restingSlots: new Table('restingSlots'),
    pinSweeps: new Table('pinSweeps'),
    features: new Table('features'),
  };
}

const scratch = newLanes();

/**
 * Hex digest of the whole state. Costs the scalars only: the tables keep theirs up to date. A table without rows adds
 * nothing, so that a version which has one more agrees with those that do not know it yet.
 */
export function stateDigest(state: State): string {
  const meta = metaLanes(state.meta);
  let lo = (meta.lo + state.pins.lo) >>> 0;
  let hi = (meta.hi + state.pins.hi) >>> 0;
  for (const name of TABLE_NAMES) {
    lo = (lo + state[name].lo) >>> 0;
    hi = (hi + state[name].hi) >>> 0;
  }
  return hex(lo, hi);
}

/** The scalars' part of the digest. Reused by the next call. */
export function metaLanes(meta: Meta): { readonly lo: number; readonly hi: number } {
  hashText(JSON.stringify(meta), 7, scratch);
  return scratch;
}

export function backendKey(pool: string, id: string): string {
  return `${pool}/${id}`;
}
