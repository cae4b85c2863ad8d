/**
 * Who this process is towards its peers; shared by everything that dials or accepts.
 */
import type { Index, ReplicaId } from '../core/types.ts';
import type { Clock, Random } from '../driver/ports.ts';
import type { TransportTls } from './options.ts';
import type { Refusals } from './refusals.ts';

export interface LocalIdentity {
  readonly clusterName: string;
  /** '' until the cluster is formed. */
  clusterId: string;
  readonly replica: ReplicaId;
  /** Where peers reach this process; port 0 until it listens. */
  reach: { readonly host: string; readonly port: number };
  /** Log index of the newest membership in force here. */
  confIndex: Index;
  readonly secret: string;
  readonly session: string;
  /** For connections that are made from now on; whether there is any does not change. */
  tls: TransportTls | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly refusals: Refusals;
}

/** Bits of optional behaviour; both sides may use what both announce. None yet. */
export const FEATURES = 0;
