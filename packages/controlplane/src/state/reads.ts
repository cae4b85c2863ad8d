/** What others read from the state. Pure; lists are in a fixed order. */
import type { BackendConfig, Config, PoolConfig, SettingsConfig, Verdict } from '@flotilla/shared';
import { KEPT_KEY } from '@flotilla/shared/schema';
import { DRAIN_PROPAGATION_DEFAULT_MS } from './limits.ts';
import type { HistoryRow, Observation, VerdictRow } from './rows.ts';
import { backendKey, type ReadonlyState } from './state.ts';

export const DEFAULT_SETTINGS: SettingsConfig = {
  readyWithoutQuorum: true,
  viaName: 'flotilla',
  drainPropagationMs: DRAIN_PROPAGATION_DEFAULT_MS,
};

export function readSettings(state: ReadonlyState): SettingsConfig {
  return state.settings.get('settings') ?? DEFAULT_SETTINGS;
}

/** The document with its private keys: for validation and rollback, never for an answer. */
export function readConfig(state: ReadonlyState): Config {
  const names = (kind: 'listeners' | 'pools' | 'certificates') => state.order.get(kind) ?? [];
  return {
    listeners: names('listeners').flatMap((name) => state.listeners.get(name) ?? []),
    pools: names('pools').flatMap((name) => readPool(state, name) ?? []),
    certificates: names('certificates').flatMap((name) => state.certificates.get(name) ?? []),
    settings: readSettings(state),
  };
}

/** The document as it may be shown: private keys replaced by a mark that keeps them when written back. */
export function redactConfig(config: Config): Config {
  return { ...config, certificates: config.certificates.map(redactCertificate) };
}

export function redactCertificate<T extends { readonly keyPem: string }>(certificate: T): T {
  return certificate.keyPem === '' ? certificate : { ...certificate, keyPem: KEPT_KEY };
}

export function readPool(state: ReadonlyState, name: string): PoolConfig | undefined {
  const row = state.pools.get(name);
  if (row === undefined) return undefined;
  return { ...row, backends: row.backends.flatMap((id) => readBackend(state, name, id) ?? []) };
}

export function readBackend(state: ReadonlyState, pool: string, id: string): BackendConfig | undefined {
  return state.backends.get(backendKey(pool, id))?.config;
}

export interface HealthItem {
  readonly pool: string;
  readonly backend: string;
  readonly verdict: Verdict;
  /** Log time, ms. */
  readonly since: number;
  readonly reason: string;
  readonly observers: readonly {
    readonly node: string;
    readonly ok: boolean;
    readonly at: number;
    readonly latencyMs: number;
    readonly detail: string;
    /** Counts towards the verdict; where not, `why` says it. */
    readonly counts: boolean;
    readonly why: string;
  }[];
  /** Log time until which flapping holds it down; 0: not held. */
  readonly holdUntilMs: number;
  readonly flapCount: number;
  readonly ejectedUntilMs: number;
}

/** For GET /v1/health, in the order of the document. */
export function readHealth(state: ReadonlyState): HealthItem[] {
  const items: HealthItem[] = [];
  for (const pool of state.order.get('pools') ?? []) {
    for (const id of state.pools.get(pool)?.backends ?? []) {
      const item = readBackendHealth(state, pool, id);
      if (item !== undefined) items.push(item);
    }
  }
  return items;
}

export function readBackendHealth(state: ReadonlyState, pool: string, id: string): HealthItem | undefined {
  const key = backendKey(pool, id);
  const verdict = state.verdicts.get(key);
  if (verdict === undefined) return undefined;
  const observers = (state.observations.get(key) ?? []).map((observation) => observerItem(state, observation));
  return { pool, backend: id, ...verdictItem(verdict), observers };
}

function verdictItem(row: VerdictRow) {
  return {
    verdict: row.verdict,
    since: row.sinceMs,
    reason: row.reason,
    holdUntilMs: row.holdUntilMs,
    flapCount: row.flapCount,
    ejectedUntilMs: row.ejectedUntilMs,
  };
}

function observerItem(state: ReadonlyState, observation: Observation): HealthItem['observers'][number] {
  const why = noVoteReason(state, observation.node);
  const { node, ok, atMs, latencyMs, detail } = observation;
  return { node, ok, at: atMs, latencyMs, detail, counts: why === '', why };
}

/** Why a node has no vote on health; '' where it has one. */
export function noVoteReason(state: ReadonlyState, node: string): string {
  const member = state.members.get(node);
  if (member === undefined) return 'not a member';
  if (!member.alive) return 'not alive';
  if (state.drains.has(node)) return 'draining';
  const observer = state.observers.get(node);
  if (observer?.isolated === true) return 'isolated: alone in seeing most backends down';
  if (observer?.fresh !== true) return 'silent';
  return '';
}

/** Is this node an isolated observer, which must take itself out of rotation? */
export function isIsolated(state: ReadonlyState, node: string): boolean {
  return state.observers.get(node)?.isolated === true;
}

/** Newest first. */
export function readHistory(state: ReadonlyState): HistoryRow[] {
  const rows = [...state.history.entries()].map(([, row]) => row);
  return rows.sort((a, b) => b.revision - a.revision);
}
