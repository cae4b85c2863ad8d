/** Former documents, from the records that undo each change; and documents to be, from plans of the same shape. */
import type { BackendConfig, Config, SettingsConfig } from '@flotilla/shared';
import { readConfig, readHistory, readSettings } from './reads.ts';
import type { PoolRow, UndoRow } from './rows.ts';
import { backendKey, type ReadonlyState } from './state.ts';

/** The document as it was at a revision, with its keys; undefined where that is no longer, or never was, known. */
export function readConfigAt(state: ReadonlyState, revision: number): Config | undefined {
  if (revision === state.meta.revision) return readConfig(state);
  const rows = readHistory(state);
  if (!rows.some((row) => row.previousRevision === revision)) return undefined;
  const undone = rows.filter((row) => row.revision > revision);
  return readDocument(
    state,
    undone.map((row) => row.undo),
  );
}

/** The present document with these rows, one set after the other, in place of its own. Null takes a row away. */
export function readDocument(
  state: ReadonlyState,
  overlays: readonly (Omit<UndoRow, 'settings'> & { readonly settings?: SettingsConfig | null })[],
): Config {
  const listeners = new Map(state.listeners.entries());
  const pools = new Map<string, PoolRow>(state.pools.entries());
  const backends = new Map<string, BackendConfig>([...state.backends.entries()].map(([key, row]) => [key, row.config]));
  const certificates = new Map(state.certificates.entries());
  const order = new Map(state.order.entries());
  let settings = readSettings(state);
  for (const overlay of overlays) {
    lay(listeners, overlay.listeners);
    lay(pools, overlay.pools);
    lay(backends, overlay.backends);
    lay(certificates, overlay.certificates);
    lay(order, overlay.order);
    settings = overlay.settings ?? settings;
  }
  const inOrder = <V>(kind: string, from: ReadonlyMap<string, V>) =>
    (order.get(kind) ?? []).flatMap((name) => from.get(name) ?? []);
  return {
    listeners: inOrder('listeners', listeners),
    pools: inOrder('pools', pools).map((row) => ({
      ...row,
      backends: row.backends.flatMap((id) => backends.get(backendKey(row.name, id)) ?? []),
    })),
    certificates: inOrder('certificates', certificates),
    settings,
  };
}

function lay<V>(into: Map<string, V>, rows: Readonly<Record<string, V | null>> | undefined): void {
  for (const [key, value] of Object.entries(rows ?? {})) {
    if (value === null) into.delete(key);
    else into.set(key, value);
  }
}
