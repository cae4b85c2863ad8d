/**
 * The HTTP server of the API: framing, limits, validation, authentication, errors, OpenAPI. What it answers is in
 * `routes/`. It listens before the cluster exists, so that /live, /ready and /v1/status answer from the first moment.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { type ErrorCode, FlotillaError } from '@flotilla/shared';
import { Ajv, type AnySchema } from 'ajv';
import { fastify, type FastifyInstance, type FastifyRequest, type RouteOptions } from 'fastify';
import { apiConnectionsMax, bodyLimitBytes, urlParameterMaxBytes } from '../limits.ts';
import type { ApiRole, TlsFiles } from '../ports.ts';
import type { Authenticator, Caller } from './auth.ts';
import { addBodyParsers } from './body.ts';
import { errorBody, sendError, toFlotillaError } from './errors.ts';
import { JUDGED_LATER } from './exchange.ts';
import { RequestMessage } from './request-message.ts';
import { limitTimes } from './timeouts.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Role that the route needs; absent: none. */
    role?: ApiRole;
  }
  interface FastifyRequest {
    caller: Caller | null;
  }
}

export interface Noted {
  readonly actor: string;
  readonly source: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
}

export interface ServerOptions {
  readonly authenticator: Authenticator;
  readonly tls: TlsFiles | null;
  readonly version: string;
  /** What the replicated audit trail does not hold: refused callers, and commands that change no state. */
  readonly onNoted: (note: Noted) => void;
  readonly onInternalError: (error: unknown, request: { readonly method: string; readonly url: string }) => void;
}

const JSON_TYPE = 'application/json; charset=utf-8';

export type Routes = (app: FastifyInstance) => void;

export async function createServer(options: ServerOptions, routes: Routes): Promise<FastifyInstance> {
  const message = { IncomingMessage: RequestMessage };
  const app = fastify({
    logger: false,
    bodyLimit: bodyLimitBytes,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: urlParameterMaxBytes, ignoreTrailingSlash: true },
    clientErrorHandler: (error, socket) => refuseJunk(error, socket),
    frameworkErrors: (error, _request, reply) => sendError(reply, toFlotillaError(error)),
    ...(options.tls === null ? { http: message } : { https: { ...message, ...secureContext(options.tls) } }),
  }) as unknown as FastifyInstance;
  app.server.maxConnections = apiConnectionsMax;
  limitTimes(app.server);
  app.server.on('checkExpectation', refuseExpectation);
  addBodyParsers(app);
  addValidation(app);
  addAuthentication(app, options.authenticator);
  addNotes(app, options.onNoted);
  addErrors(app, options);
  await addOpenApi(app, options.version);
  routes(app);
  return app;
}

/** For connections that are accepted from now on. Throws where the certificate cannot be used; nothing changes then. */
export function renewCertificate(app: FastifyInstance, tls: TlsFiles): void {
  if (app.server instanceof TlsServer) app.server.setSecureContext(secureContext(tls));
}

const secureContext = ({ certPem: cert, keyPem: key }: TlsFiles) => ({ cert, key, minVersion: 'TLSv1.2' as const });

/** Queries are text and are coerced; bodies are JSON and are not. Unknown fields are refused, never dropped. */
function addValidation(app: FastifyInstance): void {
  const shared = { removeAdditional: false, useDefaults: false, allErrors: true, strict: false } as const;
  const strict = new Ajv(shared);
  const coercing = new Ajv({ ...shared, coerceTypes: true });
  app.setValidatorCompiler<AnySchema>(({ schema, httpPart }) => {
    if (httpPart !== 'body') return coercing.compile(schema);
    return typeof schema === 'object' && JUDGED_LATER in schema ? () => true : strict.compile(schema);
  });
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
}

/** Per route: to ask a request for its route costs more than all the rest of this. */
function addAuthentication(app: FastifyInstance, authenticator: Authenticator): void {
  app.decorateRequest('caller', null);
  app.addHook('onRoute', (route: RouteOptions) => {
    const role = route.config?.role;
    if (role === undefined) return;
    route.onRequest = (request, _reply, done) => {
      try {
        const { authorization, origin, host } = request.headers;
        request.caller = authenticator.authorise({ authorization, origin, host, address: request.ip }, role);
      } catch (error) {
        return done(error as Error);
      }
      return done();
    };
  });
}

/** Commands, whatever becomes of them. Only their routes pay for the hook. */
function addNotes(app: FastifyInstance, onNoted: ServerOptions['onNoted']): void {
  app.addHook('onRoute', (route: RouteOptions) => {
    if (route.method !== 'POST' || !/\/(transfer|restart|stop)$/.test(route.url)) return;
    route.onResponse = (request, reply, done) => {
      if (!isRefusedCaller(request, reply.statusCode)) onNoted(noteOf(request, reply.statusCode));
      done();
    };
  });
}

/** Too many guesses (429) are not noted one by one: they would fill the log. */
function isRefusedCaller(request: FastifyRequest, status: number): boolean {
  return status === 403 || (status === 401 && request.headers.authorization !== undefined);
}

function noteOf(request: FastifyRequest, status: number): Noted {
  const { url: path = '' } = request.routeOptions;
  return { actor: request.caller?.actor ?? '', source: request.ip, method: request.method, path, status };
}

function addErrors(app: FastifyInstance, options: ServerOptions): void {
  const patterns: { readonly methods: readonly string[]; readonly pattern: RegExp }[] = [];
  app.addHook('onRoute', (route: RouteOptions) => {
    const source = route.url.replace(/[.+]/g, '\\$&').replaceAll(/:[A-Za-z]+/g, '[^/]+');
    patterns.push({ methods: [route.method].flat(), pattern: new RegExp(`^${source.replace('*', '.*')}/?$`) });
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0] ?? '/';
    const allowed = patterns.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods);
    if (allowed.length === 0)
      return sendError(reply, new FlotillaError('NOT_FOUND', `there is nothing at ${clip(path)}`));
    void reply.header('allow', [...new Set(allowed)].join(', '));
    return sendError(reply, new FlotillaError('METHOD_NOT_ALLOWED', `${clip(path)} does not take ${request.method}`));
  });
  app.setErrorHandler((error, request: FastifyRequest, reply) => {
    const ours = toFlotillaError(error);
    if (isRefusedCaller(request, ours.status)) options.onNoted(noteOf(request, ours.status));
    if (ours.code === 'INTERNAL') options.onInternalError(error, { method: request.method, url: clip(request.url) });
    sendError(reply, ours);
  });
}

async function addOpenApi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Flotilla',
        version,
        description: 'The API of every node: the same answers everywhere. Errors carry code, message, hint and retry.',
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    },
    transform: ({ schema, url, route }) => ({ url, schema: { ...schema, ...access(route.config?.role) } }),
  });
  await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: true });
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
}

/** Node would answer with an empty 417. */
function refuseExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const error = new FlotillaError('BAD_REQUEST', 'of all expectations only 100-continue is met here');
  response.writeHead(error.status, { 'content-type': JSON_TYPE, connection: 'close' });
  response.end(JSON.stringify(errorBody(error)));
}

/** What is no HTTP gets an answer in the same form as everything else, and the end of its connection. */
function refuseJunk(error: NodeJS.ErrnoException, socket: Socket): void {
  // Where something was answered already, a second answer would be taken for that of the next request.
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) return void socket.destroy();
  const [code, line] = JUNK[error.code ?? ''] ?? (['BAD_REQUEST', '400 Bad Request'] as const);
  const text = JSON.stringify(errorBody(new FlotillaError(code, 'this is not a request that can be read')));
  const head = `HTTP/1.1 ${line}\r\ncontent-type: ${JSON_TYPE}\r\nconnection: close`;
  socket.end(`${head}\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
}

const JUNK: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  HPE_HEADER_OVERFLOW: ['TOO_LARGE', '413 Payload Too Large'],
};

/** What an operation says of tokens; `x-role` is the least role that it takes. */
function access(role: ApiRole | undefined): object {
  return role === undefined ? { security: [] } : { security: [{ token: [] }], 'x-role': role };
}

function clip(text: string): string {
  return text.slice(0, 200);
}
