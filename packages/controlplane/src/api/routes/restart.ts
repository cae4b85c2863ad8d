/**
 * One node through any other: what it says of itself, and its restart in place. A question about another node is passed on
 * to that node with its caller's token, so that an operator needs to reach one API only.
 */
import { FlotillaError } from '@flotilla/shared';
import { closed } from '@flotilla/shared/schema';
import type { FastifyInstance } from 'fastify';
import type { ApiContext } from '../context.ts';
import { ForceQuery, idParameter, NoQuery } from '../exchange.ts';

const IdParameters = closed({ id: idParameter });
const tags = ['cluster'];

export function restartRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get(
    '/v1/members/:id/status',
    {
      config: { role: 'viewer' },
      schema: { tags, summary: 'What that node says of itself', params: IdParameters, querystring: NoQuery },
    },
    (request) => {
      const { id } = request.params as { id: string };
      if (id === context.nodeId) return context.status();
      return context.askMember(id, { method: 'GET', path: '/v1/status', ...asCaller(request) });
    },
  );
  for (const verb of ['restart', 'stop'] as const) endRoute(app, context, verb);
}

const SUMMARIES = {
  restart: 'Restarts a drained node in place: all of its threads, not the process',
  stop: 'Stops the process of a drained node: exit code 0',
} as const;

function endRoute(app: FastifyInstance, context: ApiContext, verb: keyof typeof SUMMARIES): void {
  app.post(
    `/v1/members/:id/${verb}`,
    {
      config: { role: 'operator' },
      schema: { tags, summary: SUMMARIES[verb], params: IdParameters, querystring: ForceQuery },
    },
    async (request, reply) => {
      const { id } = request.params as { id: string };
      const force = (request.query as { force?: boolean }).force === true;
      if (id !== context.nodeId) {
        const path = `/v1/members/${id}/${verb}${force ? '?force=true' : ''}`;
        return context.askMember(id, { method: 'POST', path, ...asCaller(request) });
      }
      const phase = context.host().state.drains.get(id)?.phase;
      if (phase !== 'drained' && !force)
        throw new FlotillaError('CONFLICT', `${id} is ${phase ?? 'in service'}: its work would be broken off`, {
          hint: `Drain it first: flotilla drain ${id} --wait. Or say ?force=true.`,
        });
      const { startedAt } = context.status().node;
      // The answer leaves before the threads end.
      reply.raw.once('close', () => context.end(verb));
      return { id, accepted: true, startedAt };
    },
  );
}

const asCaller = (request: { readonly headers: { readonly authorization?: string | undefined } }) => ({
  authorization: request.headers.authorization ?? null,
});
