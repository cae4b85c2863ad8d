/**
 * What a transport is given. Types only.
 */
import type { ReplicaId } from '../core/types.ts';
import type { Clock, Random, RaftLogger, RaftMetrics } from '../driver/ports.ts';

/** Mutual TLS between nodes. A certificate must carry its node's name (the part before `#`) as a DNS SAN or as its CN. */
export interface TransportTls {
  readonly ca: string | Buffer;
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

export interface TcpTransportOptions {
  readonly listen: { readonly host: string; readonly port: number };
  /** Where peers reach this node, if that is not where it listens. */
  readonly advertise?: { readonly host: string; readonly port: number };
  readonly clusterName: string;
  /** This node on this disk. */
  readonly replica: ReplicaId;
  /** Known after formation, see {@link TcpTransport.joined}; '' before. */
  readonly clusterId: string;
  /** Shared secret of the cluster. '' authenticates nobody: only for loopback and tests. */
  readonly secret: string;
  readonly tls?: TransportTls;
  readonly logger?: RaftLogger;
  readonly metrics?: RaftMetrics;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** Why a connection was refused. */
export type RefusalCode =
  | 'WRONG_CLUSTER'
  | 'BAD_SECRET'
  | 'BAD_CERTIFICATE'
  | 'VERSION'
  | 'NOT_MEMBER'
  | 'IDENTITY_IN_USE'
  | 'WRONG_PEER'
  | 'BUSY'
  | 'PROTOCOL';
