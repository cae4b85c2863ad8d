/**
 * This node: alive, ready, status, measurements. Nothing here waits for anybody.
 */
import { FlotillaError } from '@flotilla/shared';
import type { FastifyInstance } from 'fastify';
import type { ApiContext } from '../context.ts';
import { fresh, NoQuery, ReadQuery } from '../exchange.ts';

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
