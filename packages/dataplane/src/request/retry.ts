/**
 * Whether a failed try may be followed by another, and where. The rules (RFC 9110 §9.2.2 and what operators expect):
 *
 * nothing was sent: any method, another backend, at once; sent on a connection that the backend may have closed meanwhile
 * and nothing came back: once more on a fresh one, where that is harmless; anything later: only idempotent methods, a body
 * that can be sent again, no byte of a response at the client, the pool's policy and its budget.
 *
 * A request with an `Idempotency-Key` field counts as idempotent whatever its method: its sender says that the backend
 * recognises a repetition (IETF draft-ietf-httpapi-idempotency-key-header).
 */
import type { RetrySpec } from '@flotilla/shared';
import { SUSPECT_MS } from '../limits.ts';
import type { Fault } from '../http1/faults.ts';
import { FAULT } from '../http1/faults.ts';
import type { RequestHead } from '../http1/head.ts';
import type { UpstreamHandle } from '../upstream/user.ts';
import type { Exchange } from './exchange.ts';
import type { ReplayBuffer } from './replay-buffer.ts';

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

type RetryOn = RetrySpec['on'][number];

/** Marks the backend and says whether to choose another. Faults of the queue blame nobody. */
export function afterConnectFailure(exchange: Exchange, fault: Fault): boolean {
  const { backend, pool, engine } = exchange;
  if (backend === null || pool === null) return false;
  exchange.tried.push(backend);
  const queued = fault === FAULT.queueFull || fault === FAULT.queueTimeout;
  if (!queued) backend.runtime.suspectUntilMs = engine.context.nowMs() + SUSPECT_MS;
  if (fault === FAULT.queueTimeout) return false;
  return tryAgain(exchange, 'connect-failure');
}

/** A reused connection broke before any byte of an answer: the backend closed it while the request was on its way. */
export function afterStale(exchange: Exchange, connection: UpstreamHandle, replay: ReplayBuffer): boolean {
  const { isReused, isAnswered } = connection;
  if (!isReused || isAnswered || exchange.staleRetried || !isRepeatable(exchange, replay)) return false;
  exchange.staleRetried = true;
  exchange.engine.context.stats.retry(exchange.pool?.spec.name ?? '', 'stale-connection');
  return true;
}

/**
 * The backend did nothing with it (RFC 9113 §8.7): safe for any method. Where only that connection is going away the backend itself
 * gets it once more.
 */
export function afterRefusal(
  exchange: Exchange,
  goingAway: boolean,
  replay: ReplayBuffer,
): 'same' | 'another' | 'none' {
  const { backend, pool, engine } = exchange;
  if (backend === null || pool === null || exchange.responseSent || !replay.isComplete) return 'none';
  if (goingAway && !exchange.staleRetried) {
    exchange.staleRetried = true;
    engine.context.stats.retry(pool.spec.name, 'stale-connection');
    return 'same';
  }
  exchange.tried.push(backend);
  return tryAgain(exchange, 'connect-failure') ? 'another' : 'none';
}

/** After the request, or part of it, was sent. */
export function afterFailure(exchange: Exchange, on: RetryOn, replay: ReplayBuffer): boolean {
  const { pool, backend, engine } = exchange;
  if (pool === null || backend === null || exchange.responseSent) return false;
  if (!allows(pool.spec.retry, on) || !isRepeatable(exchange, replay)) return false;
  if (exchange.attempts >= pool.spec.retry.attempts) return false;
  const { budgetRatio, budgetMinCount } = pool.spec.retry;
  if (!engine.budget(pool).tryRetry(engine.context.timers.nowMs, budgetRatio, budgetMinCount)) return false;
  exchange.tried.push(backend);
  return tryAgain(exchange, on);
}

export function retriesOnStatus(status: number): status is 502 | 503 | 504 {
  return status === 502 || status === 503 || status === 504;
}

/** A broken connection is our own 502 and a late answer our own 504: whoever retries those statuses means these too. */
function allows({ on }: RetrySpec, failure: RetryOn): boolean {
  if (on.includes(failure)) return true;
  return (failure === 'reset' && on.includes(502)) || (failure === 'timeout' && on.includes(504));
}

function isRepeatable(exchange: Exchange, replay: ReplayBuffer): boolean {
  return replay.isComplete && !exchange.upgradeRequested && isIdempotent(exchange.head);
}

function isIdempotent(head: RequestHead): boolean {
  if (IDEMPOTENT.has(head.method)) return true;
  const key = head.field('idempotency-key');
  return key !== undefined && key !== '';
}

function tryAgain(exchange: Exchange, on: RetryOn): boolean {
  const { pool, engine } = exchange;
  if (pool === null || !allows(pool.spec.retry, on)) return false;
  if (exchange.attempts >= pool.spec.retry.attempts) return false;
  exchange.attempts++;
  engine.context.stats.retry(pool.spec.name, String(on));
  return true;
}
