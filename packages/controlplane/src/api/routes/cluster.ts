/**
 * The members: who they are, joining, leaving, leadership, planned drains.
 */
import { FlotillaError } from '@flotilla/shared';
import { closed } from '@flotilla/shared/schema';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { drainView } from '../../cluster/views.ts';
import { drainPropagationMaxMs } from '../../limits.ts';
import { DRAIN_MAX_MS } from '../../state/index.ts';
import type { By, JoinRequest } from '../../cluster/membership.ts';
import type { ApiContext } from '../context.ts';
import {
  commit,
  conditions,
  ForceQuery,
  fresh,
  idParameter,
  list,
  NoQuery,
  ReadQuery,
  WriteQuery,
} from '../exchange.ts';

const IdParameters = closed({ id: idParameter });
const address = Type.String({ minLength: 3, maxLength: 280, pattern: '^[^\\s/]+:\\d{1,5}$', description: 'HOST:PORT' });
const JoinBody = closed({
  id: idParameter,
  raft: address,
  api: address,
  replica: Type.Optional(Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}#[0-9a-f]{4,64}$' })),
  version: Type.Optional(Type.String({ maxLength: 64 })),
  featureLevel: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
  clusterName: Type.Optional(idParameter),
});
const DrainBody = Type.Union([
  Type.Null(),
  closed({
    deadlineMs: Type.Optional(Type.Integer({ minimum: 0, maximum: DRAIN_MAX_MS })),
    propagationMs: Type.Optional(Type.Integer({ minimum: 0, maximum: drainPropagationMaxMs })),
    reason: Type.Optional(Type.String({ maxLength: 200 })),
  }),
]);
const TransferBody = Type.Union([Type.Null(), closed({ to: Type.Optional(idParameter) })]);
const DrainQuery = closed({ ...WriteQuery.properties, ...ForceQuery.properties });
const tags = ['cluster'];

export function clusterRoutes(app: FastifyInstance, context: ApiContext): void {
  memberRoutes(app, context);
  drainRoutes(app, context);
  app.post(
    '/v1/leader/transfer',
    {
      config: { role: 'operator' },
      schema: { tags, summary: 'Hands leadership over', querystring: NoQuery, body: TransferBody },
    },
    async (request) => {
      const { to } = (request.body ?? {}) as { to?: string };
      const id = await context.transferLeadership(to ?? null, request.headers.authorization ?? null);
      const { leader, term } = context.host().status();
      return { id, api: context.apiOf(leader), term };
    },
  );
}

function by(request: FastifyRequest): By {
  return { author: request.caller?.actor ?? '', source: request.ip };
}

function memberRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get(
    '/v1/members',
    { config: { role: 'viewer' }, schema: { tags, summary: 'All members', querystring: ReadQuery } },
    async (request, reply) => list(await fresh(context, request, reply), request, context.members()),
  );
  app.post(
    '/v1/members',
    {
      config: { role: 'admin' },
      schema: { tags, summary: 'Joins as a learner; promoted when caught up', querystring: NoQuery, body: JoinBody },
    },
    (request) => context.join(request.body as JoinRequest, by(request)),
  );
  app.delete(
    '/v1/members/:id',
    {
      config: { role: 'admin' },
      schema: { tags, summary: 'Removes a member', params: IdParameters, querystring: ForceQuery },
    },
    async (request) => {
      const { id } = request.params as { id: string };
      await context.remove(id, (request.query as { force?: boolean }).force === true, by(request));
      return { id, removed: true, revision: context.host().revision };
    },
  );
}

interface DrainTerms {
  readonly deadlineMs?: number;
  readonly propagationMs?: number;
  readonly reason?: string;
}

function drainRoutes(app: FastifyInstance, context: ApiContext): void {
  const path = '/v1/members/:id/drain';
  app.get(
    path,
    {
      config: { role: 'viewer' },
      schema: { tags, summary: 'Phase and connections left', params: IdParameters, querystring: ReadQuery },
    },
    async (request, reply) => {
      const host = await fresh(context, request, reply);
      const { id } = request.params as { id: string };
      const row = host.state.drains.get(id);
      if (row === undefined) throw new FlotillaError('NOT_FOUND', `${id} is not draining`);
      return drainView(row);
    },
  );
  app.put(
    path,
    {
      config: { role: 'operator' },
      schema: {
        tags,
        summary: 'Starts a planned drain',
        params: IdParameters,
        querystring: DrainQuery,
        body: DrainBody,
      },
    },
    async (request, reply) => {
      const host = context.host();
      const { id } = request.params as { id: string };
      const { deadlineMs, propagationMs, reason } = (request.body ?? {}) as DrainTerms;
      const force = (request.query as { force?: boolean }).force === true;
      if (!force) await context.refuseUnsafeDrain(id);
      return commit(context, request, reply, {
        type: 'drain.set',
        id,
        force,
        ...(deadlineMs === undefined ? {} : { deadlineMs }),
        ...(propagationMs === undefined ? {} : { propagationMs }),
        ...(reason === undefined ? {} : { reason }),
        ...conditions(request, host, () => true),
      });
    },
  );
  app.delete(
    path,
    {
      config: { role: 'operator' },
      schema: { tags, summary: 'Undoes a drain', params: IdParameters, querystring: WriteQuery },
    },
    (request, reply) => {
      const { id } = request.params as { id: string };
      return commit(context, request, reply, {
        type: 'drain.cancel',
        id,
        ...conditions(request, context.host(), () => true),
      });
    },
  );
}
