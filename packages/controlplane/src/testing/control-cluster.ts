/**
 * Control threads of a whole cluster in one process, over real TCP and real disks, with proxy threads that only
 * acknowledge. For tests of what nodes do together.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BACKEND_SLOTS_MAX, type SharedMemory } from '@flotilla/shared';
import { createLogger } from '@flotilla/shared/runtime';
import { freePorts, waitFor } from '@flotilla/shared/testing';
import { startControl } from '../control.ts';
import type { ApiRole, ApiToken, ControlHandle, ControlSettings } from '../ports.ts';
import { TestProxyThread } from './proxy-thread.ts';

const CLOSE_DEADLINE_MS = 5_000;
const SILENT = 'silent';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers by path
  readonly body: any;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; a string is sent as it is. */
  readonly body?: unknown;
}

/** A token as the settings of a node give it. */
export function testToken(role: ApiRole, token: string, label = ''): ApiToken {
  return { role, hash: createHash('sha256').update(token).digest('hex'), label };
}

export class TestNode {
  readonly settings: ControlSettings;
  readonly thread: TestProxyThread;
  fatal: string | null = null;
  handle: ControlHandle | null = null;

  constructor(settings: ControlSettings) {
    this.settings = settings;
    this.thread = new TestProxyThread(0);
  }

  async start(): Promise<this> {
    const log = createLogger({
      level: process.env['TEST_LOG'] ?? SILENT,
      nodeId: this.settings.nodeId,
      thread: 'control',
    });
    this.handle = await startControl(
      this.settings,
      {
        memory: memory(),
        proxyPorts: [{ threadId: 0, port: this.thread.controlPort }],
        onFatal: (_code, message) => (this.fatal = message),
      },
      log,
    );
    return this;
  }

  async stop(): Promise<void> {
    await this.handle?.close({ deadlineMs: CLOSE_DEADLINE_MS });
    this.handle = null;
    this.thread.close();
  }

  /** `path` with its query. */
  ask(path: string, { method = 'GET', headers = {}, body }: Ask = {}): Promise<Answer> {
    const payload = body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body);
    const type = payload === null ? {} : { 'content-type': 'application/json' };
    const { host, port } = this.settings.apiListen;
    return new Promise((resolve, reject) => {
      const request = httpRequest({ host, port, path, method, agent: false, headers: { ...type, ...headers } });
      request.on('error', reject);
      request.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('error', reject);
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, body: parsed(text) });
        });
      });
      request.end(payload ?? undefined);
    });
  }

  whenReady(): Promise<Answer> {
    return waitFor(`${this.settings.nodeId} ready`, async () => {
      if (this.fatal !== null) throw new Error(this.fatal);
      const answer = await this.ask('/ready');
      if (answer.status !== 200) throw new Error(answer.text);
      return answer;
    });
  }
}

export class TestCluster {
  readonly directory: string;
  readonly nodes: TestNode[] = [];
  readonly #overrides: Partial<ControlSettings>;

  constructor(overrides: Partial<ControlSettings> = {}) {
    this.directory = mkdtempSync(join(tmpdir(), 'flotilla-control-'));
    this.#overrides = overrides;
  }

  /** Starts the first members, n1 to n`count`. */
  async start(count: number): Promise<TestNode[]> {
    const ports = await freePorts(count * 2);
    const peers = Array.from({ length: count }, (_, at) => ({
      id: `n${at + 1}`,
      host: '127.0.0.1',
      port: ports[count + at] ?? 0,
    }));
    const nodes = peers.map(
      ({ id, port }, at) => new TestNode(this.#settings({ id, api: ports[at] ?? 0, raft: port, peers })),
    );
    this.nodes.push(...nodes);
    await Promise.all(nodes.map((node) => node.start()));
    return nodes;
  }

  /** A node that joins through `member`. */
  async join(id: string, member: TestNode): Promise<TestNode> {
    const [api = 0, raft = 0] = await freePorts(2);
    const settings = this.#settings({ id, api, raft, peers: [] });
    const node = new TestNode({ ...settings, join: member.settings.apiListen });
    this.nodes.push(node);
    return node.start();
  }

  /** The same node again, on its disk, perhaps with other settings. */
  async restart(node: TestNode, changes: Partial<ControlSettings> = {}): Promise<TestNode> {
    await node.stop();
    const again = new TestNode({ ...node.settings, ...changes });
    this.nodes[this.nodes.indexOf(node)] = again;
    return again.start();
  }

  async leader(): Promise<TestNode> {
    return waitFor('a leader', async () => {
      for (const node of this.nodes) {
        if (node.handle === null) continue;
        const { body } = await node.ask('/v1/status');
        if (body.role === 'leader' && body.quorum === true) return node;
      }
      return null;
    });
  }

  async close(): Promise<void> {
    // One after the other: each leader finds a successor at once.
    for (const node of this.nodes) await node.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #settings(own: {
    readonly id: string;
    readonly api: number;
    readonly raft: number;
    readonly peers: ControlSettings['peers'];
  }): ControlSettings {
    return {
      nodeId: own.id,
      clusterName: 'test',
      dataDir: join(this.directory, own.id),
      apiListen: { host: '127.0.0.1', port: own.api },
      apiAdvertise: null,
      bindAddress: '127.0.0.1',
      portOffset: 0,
      raftListen: { host: '127.0.0.1', port: own.raft },
      raftAdvertise: null,
      peers: own.peers,
      join: null,
      tokens: [],
      raftTls: null,
      apiTls: null,
      clusterSecret: 'between us',
      seedConfig: null,
      version: '0.0.0',
      ...this.#overrides,
    };
  }
}

function memory(): SharedMemory {
  return {
    inFlight: new SharedArrayBuffer(BACKEND_SLOTS_MAX * Int32Array.BYTES_PER_ELEMENT),
    connections: new SharedArrayBuffer(64 * Int32Array.BYTES_PER_ELEMENT),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
