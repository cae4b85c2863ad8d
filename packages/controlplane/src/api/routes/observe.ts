/**
 * Looking at what the cluster thinks: health with its evidence, the audit trail, and changes as they happen.
 */
import { closed } from '@flotilla/shared/schema';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { watchBacklogMaxBytes, watchHeartbeatMs } from '../../limits.ts';
import { readHealth } from '../../state/index.ts';
import type { ApiContext } from '../context.ts';
import { fresh, list, ReadQuery } from '../exchange.ts';
import type { WatchEvent } from '../watch-hub.ts';

const AuditQuery = closed({
  ...ReadQuery.properties,
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
});
const WatchQuery = closed({
  from: Type.Optional(Type.Integer({ minimum: 0, description: 'Revision after which to start; absent: from now on.' })),
  sessions: Type.Optional(Type.Boolean({ description: 'Session events too.' })),
});
const tags = ['observation'];

export function observeRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get(
    '/v1/health',
    {
      config: { role: 'viewer' },
      schema: {
        tags,
        summary: 'Verdicts and what each observer saw; `avoidedHere`: this node goes round it while there is no quorum',
        querystring: ReadQuery,
      },
    },
    async (request, reply) => {
      const host = await fresh(context, request, reply);
      const items = readHealth(host.state);
      return list(
        host,
        request,
        items.map((item) => ({ ...item, avoidedHere: context.avoids(item.pool, item.backend) })),
      );
    },
  );
  app.get(
    '/v1/audit',
    { config: { role: 'viewer' }, schema: { tags, summary: 'Every change, newest first', querystring: AuditQuery } },
    async (request, reply) => {
      const host = await fresh(context, request, reply);
      const { limit = 100 } = request.query as { limit?: number };
      const rows = [...host.state.audit.entries()].map(([, row]) => row).sort((a, b) => b.index - a.index);
      return list(host, request, rows.slice(0, limit));
    },
  );
  app.get(
    '/v1/watch',
    {
      exposeHeadRoute: false,
      config: { role: 'viewer' },
      schema: { tags, summary: 'Changes as server-sent events', querystring: WatchQuery },
    },
    (request, reply) => watch(context, request, reply),
  );
}

function watch(context: ApiContext, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { from, sessions } = request.query as { from?: number; sessions?: boolean };
  const lastId = Number(request.headers['last-event-id'] ?? Number.NaN);
  const since = Number.isSafeInteger(lastId) ? lastId : (from ?? null);
  const early: WatchEvent[] = [];
  let send = (event: WatchEvent): void => void early.push(event);
  // Subscribing may refuse (GONE): before the head is sent, so that it is an ordinary error.
  const stop = context.watch.subscribe(since, (event) => {
    if (event.type !== 'session' || sessions === true) send(event);
  });
  void reply.hijack();
  const stream = reply.raw;
  stream.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  stream.write('retry: 1000\n\n');
  send = ({ index, type, data }) => {
    stream.write(`id: ${index}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
    // A watcher that does not read is cut: it can resume from its last id.
    if (stream.writableLength > watchBacklogMaxBytes) stream.destroy();
  };
  for (const event of early) send(event);
  const heartbeat = setInterval(() => stream.write(': still here\n\n'), watchHeartbeatMs);
  stream.on('close', () => {
    clearInterval(heartbeat);
    stop();
  });
  return reply;
}
