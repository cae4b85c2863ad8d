/**
 * The dashboard's files at `/`: a handful, read once, served from memory. The page is a client of the API like any other
 * and brings its own token where one is needed, so the files themselves need none.
 */
import type { FastifyInstance } from 'fastify';
import type { ApiContext } from '../context.ts';

const CONTENT_SECURITY_POLICY =
  "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

export function dashboardRoutes(app: FastifyInstance, context: ApiContext): void {
  for (const { path, type, body } of context.pages) {
    app.get(path, { schema: { hide: true } }, (_request, reply) =>
      reply
        .type(type)
        .header('cache-control', 'no-cache')
        .header('x-content-type-options', 'nosniff')
        .header('content-security-policy', CONTENT_SECURITY_POLICY)
        .send(body),
    );
  }
}
