/**
 * Phase 3, choose backend: the pool's algorithm picks among those that may serve and were not tried for this request.
 */
import { FAULT } from '../http1/faults.ts';
import type { Exchange } from './exchange.ts';
import { faultReply } from './reply.ts';
import type { Reply } from './reply.ts';

export function chooseBackend(exchange: Exchange): Reply | null {
  const { pool } = exchange;
  if (pool === null) return faultReply(FAULT.noBackend);
  if (pool.spec.upstream.protocol !== 'http1') return faultReply(FAULT.unsupportedUpstream);
  exchange.backend = pool.pick(exchange);
  return exchange.backend === null ? faultReply(FAULT.noBackend) : null;
}
