/**
 * The settings of one node after all sources were read and every rule was checked. Nothing here is optional: absent
 * means null.
 */

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface PeerSetting extends HostPort {
  readonly id: string;
}

export type Role = 'admin' | 'operator' | 'viewer';

/** Only the hash is kept: a token is a secret of whoever uses it. */
export interface ApiToken {
  readonly role: Role;
  /** Hex SHA-256. */
  readonly hash: string;
  /** Whose it is; '' where nobody said. */
  readonly label: string;
}

/** Plain data: it is cloned into the control thread. */
export interface NodeSettings {
  readonly nodeId: string;
  readonly clusterName: string;
  readonly dataDir: string;
  readonly apiListen: HostPort;
  /** What others are told; null: where it listens. */
  readonly apiAdvertise: HostPort | null;
  readonly raftListen: HostPort;
  readonly raftAdvertise: HostPort | null;
  /** First members of a new cluster, this node included. Alone: a cluster of one. Empty when joining. */
  readonly peers: readonly PeerSetting[];
  readonly join: HostPort | null;
  readonly bindAddress: string;
  readonly portOffset: number;
  readonly zone: string | null;
  readonly proxyThreads: number;
  readonly apiTokens: readonly ApiToken[];
  /** Kept only while joining needs it. */
  readonly joinToken: string | null;
  /** PEM texts. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string } | null;
  readonly apiTls: { readonly cert: string; readonly key: string } | null;
  readonly apiTlsCa: string | null;
  /** Hex, the newest first. */
  readonly keys: readonly string[];
  readonly clusterSecret: string | null;
  readonly logLevel: string;
  /** The configuration document that a new cluster starts with, parsed but not checked; null for none. */
  readonly initialConfig: unknown;
  readonly drainMs: number;
  readonly pidFile: string | null;
  readonly insecure: boolean;
  readonly stopOnStdinClose: boolean;
}

/** What a running node takes anew on SIGHUP; the rest of its settings waits for its next start. */
export type RenewableSettings = Pick<NodeSettings, 'apiTokens' | 'tls' | 'apiTls' | 'apiTlsCa'>;
