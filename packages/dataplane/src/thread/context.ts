/**
 * What every connection on a proxy thread may use: the current table, counters, time, and nothing of the control plane.
 */
import type { Logger } from '@flotilla/shared/runtime';
import type { PinTable } from '../affinity/pin-table.ts';
import type { Backend, RoutingTable } from '../config/table.ts';
import type { StatsRecorder } from '../metrics/stats-recorder.ts';
import type { Timers } from './timers.ts';

export interface DataplaneContext {
  /** The newest table. A request takes it once and keeps it. */
  table(): RoutingTable;
  readonly stats: StatsRecorder;
  /** Keep-alive ends, idle connections close. */
  draining(): boolean;
  random(): number;
  /** Share of new requests to refuse because this thread is behind; 0 nearly always. */
  shedRatio(): number;
  /** Monotonic, from `performance.now`: coarse users may take {@link Timers.nowMs}. */
  nowMs(): number;
  readonly timers: Timers;
  viaName(): string;
  /** Where sessions are pinned; absent: nowhere but in this thread. */
  readonly pins?: PinTable;
  /** Signs affinity cookies. */
  affinityKey(): string;
  readonly log: Logger;
  /** One line of the access log. */
  accessLog(access: object): void;
  /** Enough errors in a row for the pool's outlier policy: proposed to the cluster, not decided here. */
  reportOutlier(backend: Backend): void;
}
