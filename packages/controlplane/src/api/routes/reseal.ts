/**
 * After the key that private keys are encrypted with was changed: all of them under the newest one, one certificate after the
 * other. Certificates themselves do not change, so traffic notices nothing.
 */
import type { FastifyInstance } from 'fastify';
import type { Draft } from '../../cluster/host.ts';
import { sealedWith } from '../../secrets/keyring.ts';
import { sealDraft } from '../../secrets/seal-draft.ts';
import type { ApiContext } from '../context.ts';
import { conditions, fresh, NoQuery } from '../exchange.ts';

export function resealRoutes(app: FastifyInstance, context: ApiContext): void {
  app.post(
    '/v1/certificates/reseal',
    {
      config: { role: 'admin' },
      schema: {
        tags: ['configuration'],
        summary: 'Encrypts all private keys with the newest key',
        querystring: NoQuery,
      },
    },
    async (request, reply) => {
      const host = await fresh(context, request, reply);
      const { keyring } = context.sealing;
      const { author, source } = conditions(request, host, () => true);
      const resealed: string[] = [];
      for (const [name, { keyPem }] of [...host.state.certificates.entries()]) {
        if (keyPem === '' || keyring.currentId === null || sealedWith(keyPem) === keyring.currentId) continue;
        const draft: Draft = { type: 'resource.patch', kind: 'certificate', name, patch: { keyPem } };
        // Where somebody changed anything meanwhile, nothing older takes its place.
        const ifMatch = host.revision;
        await host.propose({ ...sealDraft(context.sealing, draft), author, source, ifMatch } as Draft);
        resealed.push(name);
      }
      return { keyId: keyring.currentId, resealed, revision: host.revision };
    },
  );
}
