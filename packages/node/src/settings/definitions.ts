/**
 * The settings of one node: the single table from which the keys of `flotilla.yaml`, the environment variables, the flags
 * and the help are derived. What a value must look like is in `resolve.ts`.
 */

interface SettingDefinition {
  /** Shown in help in place of the value; absent for switches. */
  readonly value?: string;
  readonly help: string;
}

/** Key in `flotilla.yaml` → what it is. `nodeId` is also FLOTILLA_NODE_ID and --node-id. */
export const SETTINGS = {
  nodeId: { value: 'ID', help: 'name of this node, unique in the cluster (required)' },
  clusterName: { value: 'NAME', help: 'name of the cluster; nodes of another one are refused (default flotilla)' },
  dataDir: { value: 'DIR', help: 'where the log and the snapshots are kept (default .flotilla/ID)' },
  apiListen: { value: 'HOST:PORT', help: 'address of the API (default 127.0.0.1:7400)' },
  apiAdvertise: { value: 'HOST:PORT', help: 'address of the API that others are told (default: where it listens)' },
  raftListen: { value: 'HOST:PORT', help: 'address for the other nodes (default 127.0.0.1:7500)' },
  raftAdvertise: {
    value: 'HOST:PORT',
    help: 'the same as others reach it (default: from peers, else where it listens)',
  },
  peers: { value: 'LIST', help: 'first members of a new cluster, this node included: n1=host:7500,n2=host:7500' },
  join: { value: 'HOST:PORT', help: 'API address of any member of the cluster to join, instead of peers' },
  bindAddress: { value: 'ADDRESS', help: 'address that the listeners of this node bind (default 0.0.0.0)' },
  portOffset: { value: 'N', help: 'added to the port of each listener: several nodes on one machine (default 0)' },
  zone: { value: 'NAME', help: 'where this node stands: work stays with backends of the same tag zone while they can' },
  proxyThreads: { value: 'N', help: 'threads that carry traffic (default: cores − 1, at least 1)' },
  apiTokens: {
    value: 'LIST',
    help: 'admin:TOKEN,operator:TOKEN,viewer:TOKEN; admin@alice:TOKEN names its owner in the audit trail, admin:sha256:HEX keeps the token itself out',
  },
  apiTokensFile: { value: 'FILE', help: 'the same, one a line, # for remarks; read again on SIGHUP' },
  joinToken: { value: 'TOKEN', help: 'admin token for joining (default: the first one of apiTokens)' },
  tlsCa: { value: 'FILE', help: 'PEM: the CA that signed the certificates of all nodes (mutual TLS between nodes)' },
  tlsCert: { value: 'FILE', help: 'PEM: the certificate of this node; read again on SIGHUP, as all of these files' },
  tlsKey: { value: 'FILE', help: 'PEM: its key' },
  apiTlsCert: { value: 'FILE', help: 'PEM: certificate of the API' },
  apiTlsKey: { value: 'FILE', help: 'PEM: its key' },
  apiTlsCa: { value: 'FILE', help: 'PEM: the CA that signed the certificates of the APIs (default: tlsCa)' },
  key: {
    value: 'KEY',
    help: 'encrypts private keys of certificates at rest: 32 bytes, base64 or hex; the same on all nodes',
  },
  keyFile: {
    value: 'FILE',
    help: 'the same from a file, the newest first, then older ones, one a line (flotilla certs key)',
  },
  clusterSecret: { value: 'SECRET', help: 'authenticates nodes to each other where there is no mutual TLS' },
  logLevel: { value: 'LEVEL', help: 'trace, debug, info, warn, error or silent (default info)' },
  initialConfig: { value: 'FILE', help: 'configuration (YAML or JSON) that a new cluster starts with; ignored later' },
  drainMs: { value: 'MS', help: 'how long work under way may go on when the node is stopped (default 4000)' },
  pidFile: { value: 'FILE', help: 'write the process id here while running' },
  insecure: { help: 'allow an API without tokens and Raft without TLS or a secret beyond loopback' },
  stopOnStdinClose: { help: 'stop when standard input closes: for programs that start nodes' },
} as const satisfies Record<string, SettingDefinition>;

export type SettingKey = keyof typeof SETTINGS;

export const SETTING_KEYS = Object.keys(SETTINGS) as SettingKey[];

const words = (key: string): string[] => key.split(/(?=[A-Z])/).map((word) => word.toLowerCase());

/** `apiTlsCert` → `FLOTILLA_API_TLS_CERT`. */
export const environmentName = (key: SettingKey): string => `FLOTILLA_${words(key).join('_').toUpperCase()}`;

/** `apiTlsCert` → `--api-tls-cert`. */
export const flagName = (key: SettingKey): string => `--${words(key).join('-')}`;

/** Whether it is given without a value. */
export const isSwitch = (key: SettingKey): boolean => !('value' in SETTINGS[key]);
