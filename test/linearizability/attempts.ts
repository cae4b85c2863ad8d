/**
 * One change or read through the API as a history needs it: what surely happened, what surely did not, and what nobody can
 * tell. Takes the product by its word: 503 means that nothing was changed, 504 and a broken connection mean "may have".
 */
import type { ApiCall, ApiSend } from '../harness/api.ts';
import type { SeededRandom } from '../harness/random.ts';

const ATTEMPT_TIMEOUT_MS = 2_500;

export type Attempt =
  | { readonly kind: 'done'; readonly revision: number; readonly weight: number }
  | { readonly kind: 'mismatch' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'unknown' }
  /** What a correct node would never answer. */
  | { readonly kind: 'fault'; readonly text: string };

export interface Change {
  readonly key: string;
  readonly weight: number;
  readonly ifMatch?: number;
  /** Repeats of the change carry the same. */
  readonly idempotencyKey: string;
}

const pathOf = (key: string): string => `/v1/pools/api/backends/${key}`;

export async function readWeight(call: ApiCall, key: string): Promise<Attempt> {
  return attempt(call, 'GET', pathOf(key), {});
}

export async function change(call: ApiCall, { key, weight, ifMatch, idempotencyKey }: Change): Promise<Attempt> {
  return attempt(call, 'PATCH', `${pathOf(key)}?wait=commit`, {
    body: { weight },
    headers: {
      'idempotency-key': idempotencyKey,
      ...(ifMatch === undefined ? {} : { 'if-match': `"${ifMatch}"` }),
    },
  });
}

async function attempt(call: ApiCall, method: string, path: string, send: ApiSend): Promise<Attempt> {
  try {
    const { status, body, headers } = await call(method, path, { ...send, timeoutMs: ATTEMPT_TIMEOUT_MS });
    if (status === 200) return { kind: 'done', revision: revisionOf(headers), weight: body.weight as number };
    if (status === 412) return { kind: 'mismatch' };
    if (status === 503) return { kind: 'refused' };
    if (status === 504) return { kind: 'unknown' };
    return { kind: 'fault', text: `${method} ${path}: ${status} ${JSON.stringify(body)}` };
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { code?: string };
    return { kind: code === 'ECONNREFUSED' ? 'refused' : 'unknown' };
  }
}

const revisionOf = (headers: Headers): number => Number(/\d+/.exec(headers.get('etag') ?? '')?.[0]);

/** Any node, also one that is down or cut off: clients cannot know. */
export function anyNode(nodes: readonly { readonly call: ApiCall }[], random: SeededRandom): ApiCall {
  return random.pick(nodes).call;
}
