/**
 * What `top` shows, read through one node: members and verdicts from the cluster, the rest from each node's own status and
 * measurements. Rates are differences between two readings.
 */
import type { ApiClient } from '../client/api-client.ts';
import { parseSamples, sumOf } from './samples.ts';

export interface TopNode {
  readonly id: string;
  readonly role: string;
  readonly alive: boolean;
  readonly ready: boolean;
  readonly drain: string | null;
  readonly appliedIndex: number | null;
  readonly digest: string | null;
  readonly connections: number | null;
  readonly eventLoopDelayMs: number | null;
  readonly uptimeMs: number | null;
}

export interface TopBackend {
  readonly pool: string;
  readonly backend: string;
  readonly verdict: string;
  readonly reason: string;
  readonly observers: string;
  /** By the node that is asked: weight and share of its requests, requests a second. */
  readonly weight: number | null;
  readonly perSecond: number | null;
  readonly errorsPerSecond: number | null;
}

export interface TopView {
  readonly server: string;
  readonly leader: string | null;
  readonly quorum: boolean;
  readonly revision: number;
  readonly nodes: readonly TopNode[];
  readonly backends: readonly TopBackend[];
}

interface Status {
  readonly appliedIndex: number;
  readonly digest: string;
  readonly eventLoopDelayMs: number;
  readonly uptimeMs: number;
  readonly proxyThreads: readonly { readonly connections: number }[];
}

interface Reading {
  readonly atMs: number;
  readonly requests: ReadonlyMap<string, number>;
  readonly errors: ReadonlyMap<string, number>;
}

type Items<T> = { readonly items: readonly T[] };
type Member = Pick<TopNode, 'id' | 'role' | 'alive' | 'ready'> & { readonly drain: { readonly phase: string } | null };
type Health = Pick<TopBackend, 'pool' | 'backend' | 'verdict' | 'reason'> & {
  readonly observers: readonly { readonly node: string; readonly ok: boolean }[];
};

export class TopSource {
  readonly #client: ApiClient;
  #before: Reading | null = null;

  constructor(client: ApiClient) {
    this.#client = client;
  }

  async read(): Promise<TopView> {
    const client = this.#client;
    const own = await client.call<{ leader: { id: string } | null; quorum: boolean; revision: number }>({
      path: '/v1/status',
    });
    const [members, health, metrics] = await Promise.all([
      client.get<Items<Member>>('/v1/members?consistency=local'),
      client.get<Items<Health>>('/v1/health?consistency=local'),
      client.text('/metrics'),
    ]);
    const statuses = await Promise.all(
      members.items.map(({ id }) => client.once<Status>(`/v1/members/${id}/status`).catch(() => null)),
    );
    const samples = parseSamples(metrics);
    const now: Reading = {
      atMs: performance.now(),
      requests: sumOf(samples, 'flotilla_requests_total', () => true),
      errors: sumOf(samples, 'flotilla_requests_total', ({ code_class }) => code_class === '5xx'),
    };
    const weights = sumOf(samples, 'flotilla_backend_weight', () => true);
    const before = this.#before;
    this.#before = now;
    const rate = (of: 'requests' | 'errors', key: string): number | null => {
      if (before === null) return null;
      const seconds = (now.atMs - before.atMs) / 1_000;
      return Math.max(0, (now[of].get(key) ?? 0) - (before[of].get(key) ?? 0)) / seconds;
    };
    return {
      server: own.server,
      leader: own.body.leader?.id ?? null,
      quorum: own.body.quorum,
      revision: own.body.revision,
      nodes: members.items.map((member, at) => toNode(member, statuses[at] ?? null)),
      backends: health.items.map(({ pool, backend, verdict, reason, observers }) => {
        const key = `${pool}/${backend}`;
        return {
          pool,
          backend,
          verdict,
          reason,
          observers: observers.map(({ node, ok }) => `${node} ${ok ? '✓' : '✗'}`).join(' '),
          weight: weights.get(key) ?? null,
          perSecond: rate('requests', key),
          errorsPerSecond: rate('errors', key),
        };
      }),
    };
  }
}

function toNode({ id, role, alive, ready, drain }: Member, status: Status | null): TopNode {
  return {
    id,
    role,
    alive,
    ready,
    drain: drain?.phase ?? null,
    appliedIndex: status?.appliedIndex ?? null,
    digest: status?.digest ?? null,
    connections: status?.proxyThreads.reduce((sum, { connections }) => sum + connections, 0) ?? null,
    eventLoopDelayMs: status?.eventLoopDelayMs ?? null,
    uptimeMs: status?.uptimeMs ?? null,
  };
}
