/**
 * Which of a request's timeouts has passed, if any: the client's for its body, the request's as a whole until its answer begins,
 * and the silence within an answer.
 *
 * The whole-request timeout ends with the first byte of the answer: downloads and event streams last as long as they move.
 */
import type { ListenerSpec } from '@flotilla/shared';
import type { Exchange } from '../request/exchange.ts';
import { FAULT } from './faults.ts';
import type { Fault } from './faults.ts';

export interface ExchangeWait {
  readonly nowMs: number;
  /** The client's last byte, or the last time that it took some of ours. */
  readonly clientSinceMs: number;
  /** The backend's last byte. */
  readonly backendSinceMs: number;
  /** More of the body is expected and nothing keeps the client from sending it. */
  readonly readsBody: boolean;
}

export function exchangeTimeout(exchange: Exchange, wait: ExchangeWait): Fault | null {
  const { headerMs, idleMs, requestMs } = exchange.listener.spec.timeouts;
  const { nowMs, clientSinceMs, backendSinceMs, readsBody } = wait;
  if (exchange.responseSent)
    return nowMs - Math.max(clientSinceMs, backendSinceMs) >= idleMs ? FAULT.upstreamTimeout : null;
  const awaitsContinue = exchange.head.expectContinue && exchange.bytesIn === exchange.head.end;
  const awaitsClient = readsBody && !awaitsContinue;
  if (awaitsClient && nowMs - clientSinceMs >= headerMs) return FAULT.timeout;
  if (nowMs - exchange.startedCoarseMs < requestMs) return null;
  return awaitsClient ? FAULT.timeout : FAULT.upstreamTimeout;
}

/** How often a connection is looked at, at most: one timer per connection, none per request. */
export const WATCH_MAX_MS = 1_000;

export function watchMs({ headerMs, idleMs, requestMs, tunnelMs }: ListenerSpec['timeouts']): number {
  return Math.min(WATCH_MAX_MS, headerMs, idleMs, requestMs, tunnelMs);
}
