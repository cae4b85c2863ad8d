/**
 * Phase 3, choose backend: the one that the session is pinned to, else the pool's algorithm picks among those that may serve
 * and were not tried for this request.
 */
import { FAULT } from '../http1/faults.ts';
import type { Exchange } from './exchange.ts';
import { faultReply } from './reply.ts';
import type { Reply } from './reply.ts';

export function chooseBackend(exchange: Exchange): Reply | null {
  const { pool } = exchange;
  if (pool === null) return faultReply(FAULT.noBackend);
  const { affinity } = pool.spec;
  if (affinity === null) exchange.backend = pool.pick(exchange);
  else {
    const { client, engine } = exchange;
    const session = { pick: exchange, isSecure: client.scheme === 'https', affinityKey: engine.context.affinityKey() };
    const choice = engine.affinity.choose(pool, affinity, session);
    exchange.backend = choice.backend;
    exchange.setCookie = choice.setCookie;
  }
  return exchange.backend === null ? faultReply(FAULT.noBackend) : null;
}
