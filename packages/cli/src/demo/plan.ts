/**
 * The demo on paper: who runs where, with which settings, and the line that starts each part by hand.
 */
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { DEMO_DRAIN_MS } from '../limits.ts';

const HOST = '127.0.0.1';
const NUMBERS = [1, 2, 3] as const;
const LISTENER_PORT = 8080;
const WEB_PORT = 8080;
const API_PORT = 7400;
const RAFT_PORT = 7500;
const BACKEND_PORT = 9100;

/** The clone that this file is part of. */
export const CLONE = fileURLToPath(new URL('../../../../', import.meta.url));
export const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));

export interface DemoPart {
  readonly kind: 'node' | 'backend';
  readonly id: string;
  /** Arguments after `./flotilla`. */
  readonly args: readonly string[];
  readonly pidFile: string;
  readonly logFile: string;
  readonly ports: readonly { readonly what: string; readonly port: number }[];
  readonly readyUrl: string;
  /** Pasted in the clone it starts this part again. */
  readonly startLine: string;
}

export interface DemoNode extends DemoPart {
  readonly api: string;
  readonly web: string;
  readonly settingsFile: string;
  readonly settings: string;
}

export interface DemoPlan {
  readonly data: string;
  readonly nodes: readonly DemoNode[];
  readonly backends: readonly DemoPart[];
  readonly configFile: string;
  /** What a new cluster starts with. */
  readonly config: string;
}

/** `portShift` moves every port: for a second demo on one machine. */
export function planDemo(data: string, portShift: number): DemoPlan {
  const configFile = join(data, 'cluster.yaml');
  return {
    data,
    nodes: NUMBERS.map((number) => planNode({ number, data, portShift, configFile })),
    backends: NUMBERS.map((number) => planBackend(number, data, portShift)),
    configFile,
    config: initialConfig(portShift),
  };
}

function planNode(options: { number: number; data: string; portShift: number; configFile: string }): DemoNode {
  const { number, data, portShift, configFile } = options;
  const id = `n${number}`;
  const api = `${HOST}:${API_PORT + number + portShift}`;
  const raft = (which: number): string => `${HOST}:${RAFT_PORT + which + portShift}`;
  const web = WEB_PORT + number + portShift;
  const pidFile = join(data, `${id}.pid`);
  const settingsFile = join(data, `${id}.yaml`);
  const settings = {
    nodeId: id,
    clusterName: 'demo',
    dataDir: join(data, id),
    pidFile,
    apiListen: api,
    raftListen: raft(number),
    peers: Object.fromEntries(NUMBERS.map((which) => [`n${which}`, raft(which)])),
    bindAddress: HOST,
    portOffset: number + portShift,
    // Three nodes share this machine with their backends and with whoever asks them.
    proxyThreads: 1,
    drainMs: DEMO_DRAIN_MS,
    initialConfig: configFile,
  };
  const args = ['node', '--config', settingsFile];
  return {
    kind: 'node',
    id,
    args,
    pidFile,
    logFile: join(data, `${id}.log`),
    ports: [
      { what: `API of ${id}`, port: API_PORT + number + portShift },
      { what: `Raft of ${id}`, port: RAFT_PORT + number + portShift },
      { what: `listener web of ${id}`, port: web },
    ],
    readyUrl: `http://${api}/ready`,
    startLine: startLine(args),
    api,
    web: `${HOST}:${web}`,
    settingsFile,
    settings: stringify(settings),
  };
}

function planBackend(number: number, data: string, portShift: number): DemoPart {
  const id = `b${number}`;
  const port = BACKEND_PORT + number + portShift;
  const pidFile = join(data, `${id}.pid`);
  const args = ['backend', '--id', id, '--listen', `${HOST}:${port}`, '--pid-file', pidFile];
  return {
    kind: 'backend',
    id,
    args,
    pidFile,
    logFile: join(data, `${id}.log`),
    ports: [{ what: `backend ${id}`, port }],
    readyUrl: `http://${HOST}:${port}/ready`,
    startLine: startLine(args),
  };
}

function initialConfig(portShift: number): string {
  return stringify({
    listeners: [{ name: 'web', port: LISTENER_PORT, protocol: 'http', routes: [{ match: {}, pool: 'api' }] }],
    pools: [
      {
        name: 'api',
        algorithm: 'round-robin',
        health: {
          protocol: 'http',
          path: '/ready',
          intervalMs: 1000,
          timeoutMs: 1000,
          unhealthyAfter: 2,
          healthyAfter: 2,
        },
        backends: NUMBERS.map((number) => ({
          id: `b${number}`,
          address: `${HOST}:${BACKEND_PORT + number + portShift}`,
          weight: 100,
        })),
      },
    ],
  });
}

function startLine(args: readonly string[]): string {
  return ['./flotilla', ...args.map((arg) => quote(inClone(arg)))].join(' ');
}

/** Paths in the clone are shown as seen from it. */
function inClone(arg: string): string {
  const path = relative(CLONE, arg);
  return arg.startsWith(CLONE) && !path.startsWith('..') ? path : arg;
}

const quote = (arg: string): string => (/^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", `'\\''`)}'`);
