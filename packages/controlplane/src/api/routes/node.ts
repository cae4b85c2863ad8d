/**
 * This node: alive, ready, status, measurements. Nothing here waits for anybody.
 */
import { FlotillaError } from '@flotilla/shared';
import { closed } from '@flotilla/shared/schema';
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import type { ApiContext } from '../context.ts';
import { portsCheckedMax, servedListenersMax, waitMaxMs } from '../../limits.ts';
import { fresh, idParameter, NoQuery, ReadQuery } from '../exchange.ts';

const ServedQuery = closed({
  revision: Type.Integer({ minimum: 0 }),
  timeoutMs: Type.Optional(Type.Integer({ minimum: 0, maximum: waitMaxMs })),
  listener: Type.Optional(
    Type.Union([Type.Array(idParameter, { maxItems: servedListenersMax }), idParameter], {
      description: 'Listeners that matter: what keeps them from being served is told.',
    }),
  ),
  allListeners: Type.Optional(Type.Boolean({ description: 'All of them matter.' })),
});
interface ServedParameters {
  readonly revision: number;
  readonly timeoutMs?: number;
  readonly listener?: string | string[];
  readonly allListeners?: boolean;
}
const port = Type.Integer({ minimum: 1, maximum: 65_535 });
const ports = Type.Optional(Type.Union([Type.Array(port, { maxItems: portsCheckedMax }), port]));
const PortsQuery = closed({ tcp: ports, udp: ports });

const numbered = (list: number | number[], udp: boolean) => [list].flat().map((one) => ({ port: one, udp }));

export function nodeRoutes(app: FastifyInstance, context: ApiContext): void {
  const tags = ['node'];
  app.get('/live', { schema: { tags, summary: '200 while the process works', querystring: NoQuery } }, () => ({
    live: true,
  }));

  app.get('/ready', { schema: { tags, summary: '200 when this node should get traffic' } }, (_request, reply) => {
    const view = context.ready();
    return reply.code(view.ready ? 200 : 503).send(view);
  });

  app.get('/metrics', { schema: { tags, summary: 'Prometheus' } }, async (_request, reply) => {
    const text = await context.metrics();
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(text);
  });

  const viewer = { config: { role: 'viewer' as const } };
  app.get(
    '/v1/status',
    { ...viewer, schema: { tags, summary: 'This node, never blocking', querystring: ReadQuery } },
    () => context.status(),
  );

  app.get('/v1/leader', { ...viewer, schema: { tags, summary: 'Who leads', querystring: ReadQuery } }, () => {
    const { leader, term } = context.host().status();
    if (leader === null) throw new FlotillaError('NO_LEADER', 'no leader is known at the moment');
    return { id: leader.split('#')[0], api: context.apiOf(leader), term };
  });

  app.get(
    '/v1/served',
    { ...viewer, schema: { tags, summary: 'Answers when this node serves a revision', querystring: ServedQuery } },
    (request) => {
      const { revision, timeoutMs = 0, listener = [], allListeners } = request.query as ServedParameters;
      const listeners = allListeners === true ? [...context.host().state.listeners.keys()] : [listener].flat();
      return context.served({ revision, timeoutMs, listeners });
    },
  );

  app.get(
    '/v1/ports',
    {
      config: { role: 'admin' },
      schema: { tags, summary: 'Which ports of new listeners this node could not open', querystring: PortsQuery },
    },
    async (request) => {
      const { tcp = [], udp = [] } = request.query as { tcp?: number | number[]; udp?: number | number[] };
      const asked = [...numbered(tcp, false), ...numbered(udp, true)];
      return { node: context.nodeId, items: await context.portFaults(asked) };
    },
  );

  app.get(
    '/v1/digest',
    {
      ...viewer,
      schema: { tags, summary: 'Digest of the replicated state; equal at equal index', querystring: ReadQuery },
    },
    async (request, reply) => {
      const host = await fresh(context, request, reply);
      return { ...host.digests(), staleMs: host.staleMs };
    },
  );
}
