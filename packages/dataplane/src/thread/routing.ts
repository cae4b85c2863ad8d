/**
 * The current table of a proxy thread and what makes the next one: snapshots, deltas, and this node's own overlay.
 */
import type { BackendDelta, PoolSpec, RoutingSnapshot } from '@flotilla/shared';
import { applyDelta } from '../config/apply-delta.ts';
import type { DeltaHead } from '../config/apply-delta.ts';
import { buildTable, runtimesOf } from '../config/build-table.ts';
import type { LiveTable } from '../config/build-table.ts';
import type { PickInputs } from '../config/pick-plan.ts';
import type { RuntimeRegistry } from '../config/runtime-registry.ts';
import type { Backend } from '../config/table.ts';
import type { LogClock } from './log-clock.ts';

const NOTHING: RoutingSnapshot = {
  index: 0,
  revision: 0,
  logTimeMs: 0,
  listeners: [],
  pools: [],
  certificates: [],
  settings: { viaName: 'flotilla', affinityKey: '' },
};

export class Routing {
  readonly #registry: RuntimeRegistry;
  readonly #inputs: PickInputs;
  readonly #clock: LogClock;
  #table: LiveTable;
  #unreachable: readonly { readonly pool: string; readonly id: string }[] = [];

  constructor(registry: RuntimeRegistry, inputs: PickInputs, clock: LogClock) {
    this.#registry = registry;
    this.#inputs = inputs;
    this.#clock = clock;
    this.#table = buildTable(NOTHING, registry, inputs);
  }

  table(): LiveTable {
    return this.#table;
  }

  replace(snapshot: RoutingSnapshot): void {
    this.#clock.set(snapshot.logTimeMs);
    const table = buildTable(snapshot, this.#registry, this.#inputs);
    this.#table = table;
    this.#registry.sweep(runtimesOf(table));
    this.#applyOverlay();
  }

  /** Deltas of an index that the table already has are ignored. */
  change(head: DeltaHead, deltas: readonly BackendDelta[]): void {
    if (head.index <= this.#table.index) return;
    this.#clock.set(head.logTimeMs);
    this.#table = applyDelta(this.#table, head, deltas);
  }

  overlay(unreachable: readonly { readonly pool: string; readonly id: string }[]): void {
    this.#unreachable = unreachable;
    this.#applyOverlay();
  }

  /** Lets go of every pooled connection, so that nothing keeps the thread. */
  close(): void {
    this.#registry.sweep(new Set());
  }

  #applyOverlay(): void {
    const down = new Set(this.#unreachable.map(({ pool, id }) => this.#table.pools.get(pool)?.backend(id)?.runtime));
    for (const runtime of this.#registry.values()) runtime.locallyDown = down.has(runtime);
  }
}

/** Whether its errors in a row reached the limit of its pool's outlier policy. */
export function isOutlier(backend: Backend, spec: PoolSpec | undefined): boolean {
  const limit = spec?.outlier?.consecutiveErrors ?? 0;
  return limit > 0 && backend.runtime.consecutiveErrors >= limit;
}
