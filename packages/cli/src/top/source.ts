/**
 * What `top` shows: members and verdicts through one node, the rest from each node's own status and measurements.
 */
import type { ApiClient } from '../client/api-client.ts';
import { Rates } from './rates.ts';
import { parseSamples, type Sample, sumOf } from './samples.ts';

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
  /** Requests that it carries. */
  readonly perSecond: number | null;
}

export interface TopBackend {
  readonly pool: string;
  readonly backend: string;
  readonly verdict: string;
  readonly reason: string;
  readonly observers: string;
  readonly weight: number | null;
  /** Through all nodes that were read. */
  readonly perSecond: number | null;
  readonly errorsPerSecond: number | null;
}

export interface TopView {
  readonly server: string;
  /** Nodes whose requests are in the rates. */
  readonly counted: readonly string[];
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

type Items<T> = { readonly items: readonly T[] };
type Member = Pick<TopNode, 'id' | 'role' | 'alive' | 'ready'> & {
  readonly api: string;
  readonly drain: { readonly phase: string } | null;
};
type Health = Pick<TopBackend, 'pool' | 'backend' | 'verdict' | 'reason'> & {
  readonly observers: readonly { readonly node: string; readonly ok: boolean }[];
};

export class TopSource {
  readonly #client: ApiClient;
  readonly #clientOf: (api: string) => ApiClient;
  readonly #rates = new Rates();

  /** `clientOf`: a client of one node alone, for what each node counts by itself. */
  constructor(client: ApiClient, clientOf: (api: string) => ApiClient) {
    this.#client = client;
    this.#clientOf = clientOf;
  }

  async read(): Promise<TopView> {
    const client = this.#client;
    const own = await client.call<{ leader: { id: string } | null; quorum: boolean; revision: number }>({
      path: '/v1/status',
    });
    const [members, health] = await Promise.all([
      client.get<Items<Member>>('/v1/members?consistency=local'),
      client.get<Items<Health>>('/v1/health?consistency=local'),
    ]);
    const statuses = await Promise.all(
      members.items.map(({ id }) => client.once<Status>(`/v1/members/${id}/status`).catch(() => null)),
    );
    const counted = await this.#counts(members.items.filter((_, at) => statuses[at] !== null));
    this.#rates.update(counted, performance.now());
    const [anyCounted = []] = counted.values();
    const weights = sumOf(anyCounted, 'flotilla_backend_weight', () => true);
    return {
      server: own.server,
      counted: [...counted.keys()],
      leader: own.body.leader?.id ?? null,
      quorum: own.body.quorum,
      revision: own.body.revision,
      nodes: members.items.map((member, at) => ({
        ...toNode(member, statuses[at] ?? null),
        perSecond: this.#rates.byNode.get(member.id)?.perSecond ?? null,
      })),
      backends: health.items.map(({ pool, backend, verdict, reason, observers }) => {
        const key = `${pool}/${backend}`;
        return {
          pool,
          backend,
          verdict,
          reason,
          observers: observers.map(({ node, ok }) => `${node} ${ok ? '✓' : '✗'}`).join(' '),
          weight: weights.get(key) ?? null,
          perSecond: this.#rates.ofBackend(key)?.perSecond ?? null,
          errorsPerSecond: this.#rates.ofBackend(key)?.errorsPerSecond ?? null,
        };
      }),
    };
  }

  /** Of the nodes that can be reached from here; the others are left out. */
  async #counts(members: readonly Member[]): Promise<ReadonlyMap<string, readonly Sample[]>> {
    const texts = await Promise.all(
      members.map(({ api }) =>
        this.#clientOf(api)
          .text('/metrics')
          .catch(() => null),
      ),
    );
    return new Map(members.flatMap(({ id }, at) => (texts[at] ? [[id, parseSamples(texts[at])] as const] : [])));
  }
}

function toNode({ id, role, alive, ready, drain }: Member, status: Status | null): Omit<TopNode, 'perSecond'> {
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
