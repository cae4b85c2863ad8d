/**
 * Looking into what the node has: explain, backup, and the dashboard's page.
 */
import { isIP } from 'node:net';
import { Readable } from 'node:stream';
import { FlotillaError } from '@flotilla/shared';
import type { ExplainRequest } from '@flotilla/shared';
import { closed } from '@flotilla/shared/schema';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { explainHeadersMax } from '../../limits.ts';
import { captureBackup } from '../../state/index.ts';
import type { ApiContext } from '../context.ts';
import { fresh, idParameter, ReadQuery } from '../exchange.ts';

const text = (maxLength: number, description: string) => Type.String({ minLength: 1, maxLength, description });
const header = Type.String({ maxLength: 8_192, pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+:" });
const ExplainQuery = closed({
  ...ReadQuery.properties,
  listener: idParameter,
  method: Type.Optional(text(32, 'GET where not given.')),
  host: Type.Optional(text(280, 'Host that the client asks for.')),
  path: Type.Optional(text(8_192, 'Path and query; / where not given.')),
  clientIp: Type.Optional(text(64, 'Address of the client.')),
  header: Type.Optional(Type.Union([Type.Array(header, { maxItems: explainHeadersMax }), header])),
});
const BackupQuery = closed({
  secrets: Type.Optional(
    Type.Boolean({
      description: 'With private keys, encrypted as they are stored. Without them, they are to be given again.',
    }),
  ),
});

export function lookRoutes(app: FastifyInstance, context: ApiContext): void {
  // One at a time: each is held in memory whole.
  let backingUp = false;
  app.get(
    '/v1/explain',
    {
      config: { role: 'viewer' },
      schema: { tags: ['observation'], summary: 'Where a request would go and why', querystring: ExplainQuery },
    },
    async (request, reply) => {
      const host = await fresh(context, request, reply);
      // Without the index it was compiled at: that moves on by itself, and the answer is to be the same on every node.
      const { index: _index, ...answer } = context.explain(explained(request)) as { readonly index?: number };
      return { revision: host.revision, ...answer };
    },
  );
  app.get(
    '/v1/backup',
    {
      config: { role: 'admin' },
      schema: { tags: ['cluster'], summary: 'A consistent snapshot to keep', querystring: BackupQuery },
    },
    async (request, reply) => {
      const host = await fresh(context, request, reply);
      const secrets = (request.query as { secrets?: boolean }).secrets === true;
      if (backingUp) throw new FlotillaError('TOO_MANY', 'another backup is being made by this node');
      backingUp = true;
      try {
        const parts = await inTurns(captureBackup(host.state, secrets));
        return await reply.type('application/json; charset=utf-8').send(Readable.from(parts));
      } finally {
        backingUp = false;
      }
    },
  );
}

/** In memory before it is sent: a reader that is slow must not hold a moment of the pin table. */
async function inTurns(parts: ReturnType<typeof captureBackup>): Promise<string[]> {
  const texts: string[] = [];
  for (const part of parts) {
    texts.push(typeof part === 'string' ? part : Buffer.from(part).toString('base64'));
    await new Promise((resolve) => void setImmediate(resolve));
  }
  return texts;
}

function explained(request: FastifyRequest): ExplainRequest {
  const query = request.query as {
    readonly listener: string;
    readonly method?: string;
    readonly host?: string;
    readonly path?: string;
    readonly clientIp?: string;
    readonly header?: string | readonly string[];
  };
  const { listener, method = 'GET', host = '', path = '/', clientIp = '127.0.0.1' } = query;
  if (isIP(clientIp) === 0) throw new FlotillaError('BAD_REQUEST', `clientIp: "${clientIp}" is no IP address`);
  if (!path.startsWith('/')) throw new FlotillaError('BAD_REQUEST', 'path begins with /');
  const headers = [query.header ?? []].flat().map((line) => {
    const colon = line.indexOf(':');
    return { name: line.slice(0, colon).toLowerCase(), value: line.slice(colon + 1).trim() };
  });
  return { listener, method, host: host.toLowerCase(), path, clientIp, headers };
}
