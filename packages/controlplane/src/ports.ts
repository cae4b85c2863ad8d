/**
 * What the process gives the control thread and what it gets back. The only types that packages/node needs to compose it.
 */
import type { MessagePort } from 'node:worker_threads';
import type { ExplainRequest, RoutingSnapshot, SharedMemory } from '@flotilla/shared';

export interface HostPort {
  readonly host: string;
  /** 0: any free port (tests). */
  readonly port: number;
}

export type ApiRole = 'viewer' | 'operator' | 'admin';

/** A token as far as it is kept: what was hashed is known to its owner only. */
export interface ApiToken {
  readonly role: ApiRole;
  /** Hex SHA-256 of the token. */
  readonly hash: string;
  /** Whose it is, for the audit trail; '' where nobody said. */
  readonly label: string;
}

export interface TlsFiles {
  readonly certPem: string;
  readonly keyPem: string;
}

/** What callers and nodes are known by. Can be replaced while the node runs, except that what is null stays null. */
export interface Credentials {
  /** None: the API asks for no token (the caller allows that on loopback only, or where told to be insecure). */
  readonly tokens: readonly ApiToken[];
  /** Mutual TLS between nodes. */
  readonly raftTls: (TlsFiles & { readonly caPem: string }) | null;
  readonly apiTls: TlsFiles | null;
  /** CA of the other nodes' APIs; null: that of the nodes, and the authorities that Node trusts. */
  readonly apiTlsCa?: string | null;
}

/** Everything that is this node's own and not replicated. Checked by the caller before it gets here. */
export interface ControlSettings extends Credentials {
  readonly nodeId: string;
  readonly clusterName: string;
  readonly dataDir: string;
  readonly apiListen: HostPort;
  /** What other nodes and clients should use; null: what it listens on. */
  readonly apiAdvertise: HostPort | null;
  /** Where the proxy threads of this node open the ports of listeners, and what is added to their numbers. */
  readonly bindAddress: string;
  readonly portOffset: number;
  readonly raftListen: HostPort;
  readonly raftAdvertise: HostPort | null;
  /** The first members of a new cluster, this node among them. */
  readonly peers: readonly { readonly id: string; readonly host: string; readonly port: number }[];
  /** API address of any member: join that cluster instead of forming one. */
  readonly join: HostPort | null;
  /** Shown to the member that is asked to let this node join; null where none is needed. */
  readonly joinToken?: string | null;
  /** What private keys of certificates are encrypted with at rest: 32 bytes each as hex, the newest first. The same on all nodes. */
  readonly keys?: readonly string[];
  /** Authenticates nodes to one another where there is no mutual TLS; '' where there is none. */
  readonly clusterSecret: string;
  /** A configuration document that is proposed once, where the cluster has none yet; null for none. */
  readonly seedConfig: unknown;
  readonly version: string;
  /** What this version speaks, see state/features.ts. Given only where an older version is played. */
  readonly featureLevel?: number;
}

/** A file that the API serves as it is, e.g. the dashboard's. */
export interface StaticPage {
  /** `/`, `/app.js` … */
  readonly path: string;
  readonly type: string;
  readonly body: string | Buffer;
}

export interface ControlLinks {
  readonly memory: SharedMemory;
  readonly proxyPorts: readonly { readonly threadId: number; readonly port: MessagePort }[];
  /** The data plane's own choice, as a pure function of the snapshot; null where there is no such listener. */
  readonly explain?: (snapshot: RoutingSnapshot, request: ExplainRequest) => object | null;
  readonly pages?: readonly StaticPage[];
  /** End all threads of this node; start them again in the same process, or end it, too. */
  readonly onEnd?: (how: 'restart' | 'stop') => void;
  /** The process must end with this exit code. Called at most once; `close` is still to be called. */
  readonly onFatal?: (exitCode: number, message: string) => void;
}

export interface ControlHandle {
  /** Where the API listens, e.g. `http://127.0.0.1:7400`. */
  readonly apiUrl: string;
  readonly raftAddress: HostPort;
  /** A proxy thread (re)started. Replaces an earlier port of the same thread. */
  addProxyPort(threadId: number, port: MessagePort): void;
  /** Debug only: makes this node's state differ from that of the others, to see that it is found and fenced. */
  diverge(): void;
  /**
   * From now on these tokens are valid, and no others, and new connections use these certificates. Throws where a certificate
   * cannot be used; nothing changes then.
   */
  renew(credentials: Credentials): void;
  /** Hands leadership over, stops everything in reverse order. Idempotent; resolves within `deadlineMs`. */
  close(options: { readonly deadlineMs: number }): Promise<void>;
}
