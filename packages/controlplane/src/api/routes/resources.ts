/**
 * Listeners, pools, backends and certificates, one resource at a time: read, put, merge-patch, delete. All kinds share
 * these few handlers; what a valid resource is, is the state machine's business.
 */
import { FlotillaError } from '@flotilla/shared';
import {
  BackendPatchSchema,
  BackendSchema,
  CertificateSchema,
  checkShape,
  closed,
  Faults,
  ListenerSchema,
  PoolSchema,
} from '@flotilla/shared/schema';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { TSchema } from 'typebox';
import type { Draft } from '../../cluster/host.ts';
import {
  readBackend,
  readConfig,
  readPool,
  redactCertificate,
  type ReadonlyState,
  type ResourceRef,
} from '../../state/index.ts';
import { sealDraft } from '../../secrets/seal-draft.ts';
import type { ApiContext } from '../context.ts';
import { checkBeforeProposal, dryRun } from '../dry-run.ts';
import {
  commit,
  conditions,
  ConfigQuery,
  fresh,
  idParameter,
  judgedLater,
  list,
  ReadQuery,
  refuseTakenPorts,
  takenPorts,
  type WriteParameters,
  WriteQuery,
} from '../exchange.ts';
import { touchesListeners } from '../listener-ports.ts';
import { etag } from '../revision.ts';

interface Kind {
  readonly kind: ResourceRef['kind'];
  readonly path: string;
  readonly schema: TSchema;
  readonly all: (state: ReadonlyState) => readonly unknown[];
  readonly one: (state: ReadonlyState, ref: ResourceRef) => unknown;
}

const KINDS: readonly Kind[] = [
  {
    kind: 'listener',
    path: '/v1/listeners',
    schema: ListenerSchema,
    all: (state) => readConfig(state).listeners,
    one: (state, { name }) => state.listeners.get(name),
  },
  {
    kind: 'pool',
    path: '/v1/pools',
    schema: PoolSchema,
    all: (state) => readConfig(state).pools,
    one: (state, { name }) => readPool(state, name),
  },
  {
    kind: 'certificate',
    path: '/v1/certificates',
    schema: CertificateSchema,
    all: (state) => readConfig(state).certificates.map(redactCertificate),
    one: (state, { name }) => {
      const certificate = state.certificates.get(name);
      return certificate === undefined ? undefined : redactCertificate(certificate);
    },
  },
];

const BACKEND: Pick<Kind, 'kind' | 'one'> = {
  kind: 'backend',
  one: (state, { pool, name }) => readBackend(state, pool ?? '', name),
};

const NameParameters = closed({ name: idParameter });
const BackendParameters = closed({ pool: idParameter, name: idParameter });

export function resourceRoutes(app: FastifyInstance, context: ApiContext): void {
  for (const kind of KINDS) {
    app.get(
      kind.path,
      {
        config: { role: 'viewer' },
        schema: { tags: ['configuration'], summary: `All ${kind.kind}s`, querystring: ReadQuery },
      },
      async (request, reply) => {
        const host = await fresh(context, request, reply);
        void reply.header('etag', etag(host.revision));
        return list(host, request, kind.all(host.state));
      },
    );
    oneResource(app, context, { ...kind, path: `${kind.path}/:name`, parameters: NameParameters });
  }
  backendList(app, context);
  oneResource(app, context, {
    ...BACKEND,
    path: '/v1/pools/:pool/backends/:name',
    parameters: BackendParameters,
    schema: BackendSchema,
  });
}

function backendList(app: FastifyInstance, context: ApiContext): void {
  app.get(
    '/v1/pools/:name/backends',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['configuration'],
        summary: 'All backends of a pool',
        params: NameParameters,
        querystring: ReadQuery,
      },
    },
    async (request, reply) => {
      const host = await fresh(context, request, reply);
      const { name } = request.params as { name: string };
      const pool = readPool(host.state, name);
      if (pool === undefined) throw notFound({ kind: 'pool', name });
      void reply.header('etag', etag(host.revision));
      return list(host, request, pool.backends);
    },
  );
}

interface ResourceRoute {
  readonly kind: ResourceRef['kind'];
  readonly path: string;
  readonly parameters: TSchema;
  readonly schema: TSchema;
  readonly one: Kind['one'];
}

function oneResource(app: FastifyInstance, context: ApiContext, route: ResourceRoute): void {
  const { path, kind, parameters, one } = route;
  const common = { tags: ['configuration'], params: parameters };
  const write = { ...common, querystring: kind === 'listener' ? ConfigQuery : WriteQuery };
  app.get(
    path,
    { config: { role: 'viewer' }, schema: { ...common, summary: `One ${kind}`, querystring: ReadQuery } },
    async (request, reply) => {
      const host = await fresh(context, request, reply);
      const ref = refOf(kind, request);
      const found = one(host.state, ref);
      if (found === undefined) throw notFound(ref);
      void reply.header('etag', etag(host.revision));
      return found;
    },
  );
  app.put(
    path,
    {
      config: { role: 'admin' },
      schema: { ...write, summary: `Puts a whole ${kind}`, body: judgedLater(route.schema) },
    },
    (request, reply) =>
      change(context, route, { request, reply }, (ref) => ({
        type: 'resource.put',
        ...ref,
        value: objectBody(request),
      })),
  );
  app.patch(
    path,
    {
      config: { role: kind === 'backend' ? 'operator' : 'admin' },
      schema: {
        ...write,
        summary: `JSON merge patch of a ${kind}`,
        body: judgedLater(kind === 'backend' ? BackendPatchSchema : route.schema),
      },
    },
    (request, reply) => change(context, route, { request, reply }, (ref) => patchDraft(ref, request)),
  );
  app.delete(
    path,
    { config: { role: 'admin' }, schema: { ...write, summary: `Deletes a ${kind}` } },
    (request, reply) => change(context, route, { request, reply }, (ref) => ({ type: 'resource.delete', ...ref })),
  );
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

function change(
  context: ApiContext,
  route: ResourceRoute,
  { request, reply }: Exchange,
  draft: (ref: ResourceRef) => Draft,
): Promise<unknown> {
  const host = context.host();
  const ref = refOf(route.kind, request);
  const sealed = sealDraft(context.sealing, draft(ref));
  const full = { ...sealed, ...conditions(request, host, () => route.one(host.state, ref) !== undefined) } as Draft;
  const { keyring } = context.sealing;
  if ((request.query as WriteParameters).dryRun === true)
    return takenPorts(context, request, full).then((warned) => dryRun(host, full, { keyring, warned }));
  checkBeforeProposal(host, full, keyring);
  // The frequent change waits for nothing but its commit.
  if (!touchesListeners(full)) return commit(context, request, reply, full);
  return refuseTakenPorts(context, request, full).then(() => commit(context, request, reply, full));
}

/** Weights and states have a small command of their own: it is the hot one, and the only one that operators may give. */
function patchDraft(ref: ResourceRef, request: FastifyRequest): Draft {
  const body = objectBody(request);
  const { name, pool = '' } = ref;
  if (ref.kind === 'backend' && isNumbersOnly(body)) {
    checkNumbers(body);
    return { type: 'backend.set', pool, id: name, ...body } as Draft;
  }
  if (request.caller?.role !== 'admin')
    throw new FlotillaError('FORBIDDEN', 'the role operator may change weight and state only');
  return { type: 'resource.patch', ...ref, patch: body };
}

function isNumbersOnly(body: Readonly<Record<string, unknown>>): boolean {
  for (const [field, value] of Object.entries(body)) {
    if (value === null || (field !== 'weight' && field !== 'state')) return false;
  }
  return true;
}

/** Same rules as in the whole document, so the same answer. */
function checkNumbers(body: Readonly<Record<string, unknown>>): void {
  const faults = new Faults();
  checkShape(BackendPatchSchema, body, faults);
  if (faults.any) throw new FlotillaError('INVALID_CONFIG', 'weight or state is not valid', { details: faults.all() });
}

function objectBody(request: FastifyRequest): Readonly<Record<string, unknown>> {
  const { body } = request;
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new FlotillaError('BAD_REQUEST', 'the body must be an object');
  return body as Readonly<Record<string, unknown>>;
}

function refOf(kind: ResourceRef['kind'], request: FastifyRequest): ResourceRef {
  const { name, pool } = request.params as { readonly name: string; readonly pool?: string };
  return pool === undefined ? { kind, name } : { kind, name, pool };
}

function notFound({ kind, name, pool }: ResourceRef): FlotillaError {
  return new FlotillaError('NOT_FOUND', `there is no ${kind} ${pool === undefined ? name : `${pool}/${name}`}`);
}
