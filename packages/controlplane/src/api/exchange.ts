/**
 * What every read and every write of the API has in common: query parameters, conditions, freshness, waiting, headers.
 */
import { type FaultDetail, FlotillaError } from '@flotilla/shared';
import { closed, ID_PATTERN, oneOf } from '@flotilla/shared/schema';
import type { FastifyReply, FastifyRequest } from 'fastify';
import Type, { type TSchema } from 'typebox';
import type { ClusterHost, Consistency, Draft } from '../cluster/host.ts';
import { idempotencyKeyMaxBytes, portsCheckedMax, waitDefaultMs, waitMaxMs } from '../limits.ts';
import { changedListeners, listenersBefore, openedPorts, portKey } from './listener-ports.ts';
import type { CommandOk } from '../state/index.ts';
import type { ApiContext, Wait } from './context.ts';
import { etag, parseIfMatch, revisionMismatch } from './revision.ts';

export const NoQuery = closed({});
export const ReadQuery = closed({
  consistency: Type.Optional(
    oneOf(['linearizable', 'local'] as const, 'local: what this node knows, without asking anyone.'),
  ),
});
const timeoutMs = Type.Optional(Type.Integer({ minimum: 0, maximum: waitMaxMs, description: 'For `wait`.' }));
export const WriteQuery = closed({
  dryRun: Type.Optional(Type.Boolean({ description: 'Validates and answers the difference; changes nothing.' })),
  wait: Type.Optional(
    oneOf(
      ['commit', 'applied', 'all'] as const,
      'Until committed, served by this node (default), or served by every live node.',
    ),
  ),
  timeoutMs,
});
/** For changes that may open ports. */
export const ConfigQuery = closed({
  ...WriteQuery.properties,
  force: Type.Optional(Type.Boolean({ description: 'Although a node cannot open a port of it now.' })),
});
export const ForceQuery = closed({ force: Type.Optional(Type.Boolean({ description: 'Overrides the interlocks.' })) });

/** Marks a body that is described here and judged by the state machine, which names every fault and its path (422). */
export const JUDGED_LATER = 'x-judged-by';

export function judgedLater(schema: TSchema): TSchema {
  return { ...schema, [JUDGED_LATER]: 'the rules of the configuration (422)' };
}

export interface ReadParameters {
  readonly consistency?: Consistency;
}
export interface WriteParameters {
  readonly dryRun?: boolean;
  readonly wait?: Wait;
  readonly timeoutMs?: number;
  readonly force?: boolean;
}

export const idParameter = Type.String({ pattern: ID_PATTERN });

/** Makes sure that the state is as fresh as asked, and says how fresh it is. */
export async function fresh(context: ApiContext, request: FastifyRequest, reply: FastifyReply): Promise<ClusterHost> {
  const host = context.host();
  const consistency = (request.query as ReadParameters).consistency ?? 'linearizable';
  await host.read(consistency);
  if (consistency === 'local') void reply.header('x-flotilla-stale-ms', String(host.staleMs ?? ''));
  return host;
}

/** `{items, revision}`, with `staleMs` where the read was local. */
export function list(host: ClusterHost, request: FastifyRequest, items: readonly unknown[]): object {
  const local = (request.query as ReadParameters).consistency === 'local';
  const { revision } = host;
  return local ? { items, revision, staleMs: host.staleMs } : { items, revision };
}

export interface Conditions {
  readonly author: string;
  readonly source: string;
  readonly key?: string;
  readonly ifMatch?: number;
}

/** Who asks, under which condition. `exists`: whether what `If-Match: *` speaks of is there. */
export function conditions(request: FastifyRequest, host: ClusterHost, exists: () => boolean): Conditions {
  const { headers } = request;
  const base = { author: request.caller?.actor ?? '', source: request.ip };
  const key = headers['idempotency-key'];
  const ifMatch = parseIfMatch(headers['if-match']);
  if (ifMatch?.any === true && !exists()) throw revisionMismatch(host.revision);
  if (key === undefined && ifMatch === null) return base;
  return {
    ...base,
    ...keyed(key),
    ...(ifMatch === null || ifMatch.any ? {} : { ifMatch: chosen(ifMatch.revisions, host) }),
  };
}

function keyed(key: string | readonly string[] | undefined): { readonly key?: string } {
  if (key === undefined) return {};
  if (typeof key !== 'string' || !/^[\x21-\x7e]+$/.test(key) || key.length > idempotencyKeyMaxBytes)
    throw new FlotillaError('BAD_REQUEST', `Idempotency-Key is 1–${idempotencyKeyMaxBytes} visible ASCII characters`);
  return { key };
}

/** A list of revisions means "any of these": the current one if it is among them. The state machine has the last word. */
function chosen(revisions: readonly number[], host: ClusterHost): number {
  return revisions.find((revision) => revision === host.revision) ?? revisions[0] ?? 0;
}

/** Commits, waits as the caller asked, answers `{revision, …}`. */
export async function commit(
  context: ApiContext,
  request: FastifyRequest,
  reply: FastifyReply,
  draft: Draft,
): Promise<string> {
  const { wait = 'applied', timeoutMs = waitDefaultMs } = request.query as WriteParameters;
  const host = context.host();
  const before = listenersBefore(host.state, draft);
  const outcome = await host.propose(draft);
  if (wait === 'commit') return written(reply, outcome);
  const { revision } = outcome;
  const listeners = changedListeners(before, host.state);
  // The frequent change takes no detour: served here, and nobody else is asked.
  if (wait === 'applied' && listeners.length === 0 && context.servesAtOnce(revision)) return written(reply, outcome);
  await context.whenServed({ revision, listeners, timeoutMs }, wait, request.headers.authorization ?? null);
  return written(reply, outcome);
}

/** Ports of this change that a living node cannot open now, by their paths. */
export async function takenPorts(context: ApiContext, request: FastifyRequest, draft: Draft): Promise<FaultDetail[]> {
  const opened = openedPorts(context.host().state, draft).slice(0, portsCheckedMax);
  if (opened.length === 0) return [];
  const faults = await context.portFaultsOfAll(opened, request.headers.authorization ?? null);
  return faults.map(({ node, port, udp, message }) => {
    const path = opened.find((one) => portKey(one.port, one.udp) === portKey(port, udp))?.path ?? 'listeners';
    return { path, message: `${node} ${message}` };
  });
}

/** A configuration that a node could not follow is refused before it is committed, unless the caller insists. */
export async function refuseTakenPorts(context: ApiContext, request: FastifyRequest, draft: Draft): Promise<void> {
  if ((request.query as WriteParameters).force === true) return;
  const details = await takenPorts(context, request, draft);
  if (details.length === 0) return;
  throw new FlotillaError('CONFLICT', 'not every node can open the ports of this configuration; nothing was changed', {
    details,
    hint: 'Free the port on that node or choose another one. ?force=true commits it nevertheless: that node is not ready until it can.',
  });
}

/** Written by hand: this is the answer of the hottest route. */
function written(reply: FastifyReply, { revision, changed, index, created, replayed }: CommandOk): string {
  void reply.header('etag', etag(revision)).type('application/json; charset=utf-8');
  return `{"revision":${revision},"changed":${changed},"created":${created === true},"replayed":${replayed === true},"index":${index}}`;
}
