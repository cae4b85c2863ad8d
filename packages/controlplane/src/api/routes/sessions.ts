/**
 * The pin table: pages of sessions, one session, and taking pins away. Where a pin is taken away, the session's next request
 * is pinned anew.
 */
import { FlotillaError } from '@flotilla/shared';
import { closed } from '@flotilla/shared/schema';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { sessionClearsConcurrent } from '../../limits.ts';
import {
  isSessionCursor,
  PIN_PARTITIONS_COUNT,
  readSession,
  readSessions,
  SESSION_KEY_MAX_CHARS,
  type SessionPage,
} from '../../state/index.ts';
import type { ApiContext } from '../context.ts';
import { commit, fresh, idParameter, list, NoQuery, ReadQuery } from '../exchange.ts';

const SessionsQuery = closed({
  ...ReadQuery.properties,
  pool: Type.Optional(idParameter),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
  cursor: Type.Optional(Type.String({ maxLength: 256, description: 'Of the page before.' })),
});
const ClearQuery = closed({
  pool: idParameter,
  backend: Type.Optional({ ...idParameter, description: 'Only the sessions of this backend.' }),
});
const SessionParameters = closed({
  pool: idParameter,
  key: Type.String({
    minLength: 1,
    maxLength: SESSION_KEY_MAX_CHARS,
    description: 'The key as the client gives it, or # and its hash as lists show it.',
  }),
});
const LIMIT_DEFAULT = 100;
const tags = ['sessions'];

interface SessionRef {
  readonly pool: string;
  readonly key: string;
}

export function sessionRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get(
    '/v1/sessions',
    { config: { role: 'viewer' }, schema: { tags, summary: 'Pinned sessions', querystring: SessionsQuery } },
    (request, reply) => page(context, request, reply),
  );
  app.delete(
    '/v1/sessions',
    {
      config: { role: 'operator' },
      schema: { tags, summary: 'Unpins all sessions of a pool, or of one backend', querystring: ClearQuery },
    },
    (request) => clear(context, request),
  );
  const one = '/v1/sessions/:pool/:key';
  app.get(
    one,
    {
      config: { role: 'viewer' },
      schema: { tags, summary: 'One session', params: SessionParameters, querystring: ReadQuery },
    },
    async (request, reply) => {
      const host = await fresh(context, request, reply);
      const { pool, key } = request.params as SessionRef;
      const found = readSession(host.state, pool, key);
      if (found === null) throw new FlotillaError('NOT_FOUND', `${key} is not pinned in pool ${pool}`);
      return found;
    },
  );
  app.delete(
    one,
    {
      config: { role: 'operator' },
      schema: { tags, summary: 'Unpins a session', params: SessionParameters, querystring: NoQuery },
    },
    (request, reply) => {
      const { pool, key } = request.params as SessionRef;
      return commit(context, request, reply, { type: 'pins.delete', pool, session: key, ...caller(request) });
    },
  );
}

async function page(context: ApiContext, request: FastifyRequest, reply: FastifyReply): Promise<object> {
  const {
    limit = LIMIT_DEFAULT,
    cursor = '',
    pool,
  } = request.query as {
    readonly limit?: number;
    readonly cursor?: string;
    readonly pool?: string;
  };
  if (cursor !== '' && !isSessionCursor(cursor)) throw new FlotillaError('BAD_REQUEST', 'this is no cursor of a list');
  const host = await fresh(context, request, reply);
  const reading = readSessions(host.state, { limit, cursor, ...(pool === undefined ? {} : { pool }) });
  const { items, cursor: next } = await inTurns(reading);
  return { ...list(host, request, items), cursor: next };
}

/** A million pins take a while to go through: others have their turns meanwhile. */
async function inTurns(reading: Generator<undefined, SessionPage>): Promise<SessionPage> {
  for (;;) {
    const step = reading.next();
    if (step.done === true) return step.value;
    await new Promise((resolve) => void setImmediate(resolve));
  }
}

/** One small command per part of the table: none holds the log up. */
async function clear(context: ApiContext, request: FastifyRequest): Promise<object> {
  const host = context.host();
  const { pool, backend } = request.query as { readonly pool: string; readonly backend?: string };
  const what = { type: 'pins.clear', pool, ...(backend === undefined ? {} : { backend }), ...caller(request) } as const;
  for (let partition = 0; partition < PIN_PARTITIONS_COUNT; partition += sessionClearsConcurrent) {
    const some = Array.from({ length: sessionClearsConcurrent }, (_, at) => partition + at);
    await Promise.all(some.map((each) => host.propose({ ...what, partition: each })));
  }
  return { revision: host.revision, changed: true };
}

function caller(request: FastifyRequest): { readonly author: string; readonly source: string } {
  return { author: request.caller?.actor ?? '', source: request.ip };
}
