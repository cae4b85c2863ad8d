/**
 * The configuration as one document: read, replace, look back, go back.
 */
import { FlotillaError } from '@flotilla/shared';
import { closed, ConfigSchema } from '@flotilla/shared/schema';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { stringify } from 'yaml';
import {
  diffOfRevision,
  type HistoryRow,
  readConfig,
  readConfigAt,
  readHistory,
  redactConfig,
} from '../../state/index.ts';
import type { Draft } from '../../cluster/host.ts';
import { sealDraft } from '../../secrets/seal-draft.ts';
import type { ApiContext } from '../context.ts';
import { checkBeforeProposal, dryRun } from '../dry-run.ts';
import {
  commit,
  conditions,
  ConfigQuery,
  fresh,
  judgedLater,
  list,
  ReadQuery,
  refuseTakenPorts,
  takenPorts,
  type WriteParameters,
} from '../exchange.ts';
import { etag } from '../revision.ts';

const RevisionParameters = closed({ revision: Type.Integer({ minimum: 0 }) });
const RollbackBody = closed({ revision: Type.Integer({ minimum: 0 }) });
const HistoryQuery = closed({
  ...ReadQuery.properties,
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
});
const tags = ['configuration'];

export function configRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get(
    '/v1/config',
    {
      config: { role: 'viewer' },
      schema: { tags, summary: 'The whole configuration; JSON or YAML', querystring: ReadQuery },
    },
    async (request, reply) => {
      const host = await fresh(context, request, reply);
      void reply.header('etag', etag(host.revision)).header('vary', 'accept');
      return sendDocument(request, reply, redactConfig(readConfig(host.state)));
    },
  );
  app.put(
    '/v1/config',
    {
      config: { role: 'admin' },
      schema: {
        tags,
        summary: 'Replaces the whole configuration',
        querystring: ConfigQuery,
        body: judgedLater(ConfigSchema),
      },
    },
    (request, reply) => replace(context, request, reply),
  );
  historyRoutes(app, context);
  app.post(
    '/v1/config/rollback',
    {
      config: { role: 'admin' },
      schema: { tags, summary: 'Makes an earlier revision the newest', querystring: ConfigQuery, body: RollbackBody },
    },
    (request, reply) => {
      const { revision } = request.body as { revision: number };
      return write(context, request, reply, { type: 'config.rollback', revision });
    },
  );
}

function historyRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get(
    '/v1/config/history',
    {
      config: { role: 'viewer' },
      schema: { tags, summary: 'Who changed what and when, newest first', querystring: HistoryQuery },
    },
    async (request, reply) => {
      const host = await fresh(context, request, reply);
      const { limit = 100 } = request.query as { limit?: number };
      return list(host, request, readHistory(host.state).slice(0, limit).map(historyItem));
    },
  );
  app.get(
    '/v1/config/history/:revision',
    {
      config: { role: 'viewer' },
      schema: { tags, summary: 'The configuration as it was', params: RevisionParameters, querystring: ReadQuery },
    },
    async (request, reply) => {
      const host = await fresh(context, request, reply);
      const { revision } = request.params as { revision: number };
      const row = host.state.history.get(String(revision));
      const config = readConfigAt(host.state, revision);
      if (config === undefined)
        throw new FlotillaError('NOT_FOUND', `revision ${revision} is not remembered`, {
          hint: 'GET /v1/config/history lists those that are: the newest 1,000.',
        });
      void reply.header('etag', etag(revision));
      const diff = diffOfRevision(host.state, revision) ?? null;
      return { ...(row === undefined ? { revision } : historyItem(row)), diff, config: redactConfig(config) };
    },
  );
}

function replace(context: ApiContext, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  if (request.body === undefined || request.body === null)
    throw new FlotillaError('BAD_REQUEST', 'the body must be a configuration');
  return write(context, request, reply, { type: 'config.replace', document: request.body });
}

async function write(
  context: ApiContext,
  request: FastifyRequest,
  reply: FastifyReply,
  draft: Draft,
): Promise<unknown> {
  const host = context.host();
  const sealed = sealDraft(context.sealing, draft);
  const full = { ...sealed, ...conditions(request, host, () => host.revision > 0) } as Draft;
  const { keyring } = context.sealing;
  if ((request.query as WriteParameters).dryRun === true)
    return dryRun(host, full, { keyring, warned: await takenPorts(context, request, full) });
  checkBeforeProposal(host, full, keyring);
  await refuseTakenPorts(context, request, full);
  return commit(context, request, reply, full);
}

function sendDocument(request: FastifyRequest, reply: FastifyReply, document: object): unknown {
  const accept = request.headers.accept ?? '';
  if (!/application\/(x-)?yaml|text\/yaml/i.test(accept)) return document;
  return reply.type('application/yaml; charset=utf-8').send(stringify(document));
}

function historyItem(row: HistoryRow): object {
  const { revision, previousRevision, timeMs, author, source, action, summary } = row;
  return { revision, previousRevision, at: timeMs, author, source, action, summary };
}
