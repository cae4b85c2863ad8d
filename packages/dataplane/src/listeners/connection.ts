/**
 * The agreement between a listener and whoever speaks its protocol: what a protocol is given for an accepted connection, and
 * what the listener may ask of it. Listeners count, age and drain; protocols move bytes.
 */
import type { ListenerTable } from '../config/table.ts';
import type { ListenerStats } from '../metrics/stats-recorder.ts';
import type { DataplaneContext } from '../thread/context.ts';
import type { ProxiedAddresses } from '../upstream/user.ts';
import type { Wire } from '../wire/wire.ts';

/** Identity of the two ends: of the socket, or of the PROXY header that a trusted peer sent. */
export interface Endpoints {
  readonly clientIp: string;
  readonly clientPort: number;
  readonly localIp: string;
  readonly localPort: number;
  /** Extensions (TLVs) of the PROXY header, as they came; empty without any. */
  readonly extensions: Buffer;
}

export const NO_EXTENSIONS: Buffer = Buffer.alloc(0);

/** As the PROXY protocol tells a backend. */
export function proxiedAddresses(endpoints: Endpoints): ProxiedAddresses {
  return {
    sourceAddress: endpoints.clientIp,
    sourcePort: endpoints.clientPort,
    destinationAddress: endpoints.localIp,
    destinationPort: endpoints.localPort,
    extensions: endpoints.extensions,
  };
}

export interface TlsIdentity {
  readonly serverName: string;
  /** '' where none was negotiated. */
  readonly alpn: string;
  readonly protocol: string;
  readonly cipher: string;
  /** Subject of a verified client certificate; '' without one. */
  readonly clientSubject: string;
  /** SHA-256 over the DER form, lower-case hex; '' without one. */
  readonly clientFingerprint: string;
}

/** A bound listener, for as long as it has connections: it survives table swaps, and its own removal until they end. */
export interface ListenerHandle {
  readonly name: string;
  readonly stats: ListenerStats;
  /** By the newest table; by the last one that had it, once it is removed. */
  table(): ListenerTable;
  /** The listener was removed or the node drains: the connection ends after what is under way. */
  closing(): boolean;
}

export interface Accepted {
  /** Plain or TLS. Nothing has been read, no listener is attached except for errors. */
  readonly socket: Wire;
  readonly listener: ListenerHandle;
  readonly endpoints: Endpoints;
  readonly tls: TlsIdentity | null;
  readonly context: DataplaneContext;
}

export interface ClientConnection {
  /** No request or stream is under way. */
  idle(): boolean;
  /** End after what is under way; at once where it is idle. Also called for age, so not only when `closing()`. */
  close(): void;
  /** maxConnectionAgeMs has passed, where that should do something else than `close`. */
  expire?(): void;
  /** End now. */
  destroy(): void;
}

/** Takes a connection over. The listener learns of its end from the socket's `close`. */
export type ProtocolHandler = (accepted: Accepted) => ClientConnection;
