/**
 * Phase 6, log: counters for every request, a line of the access log for those that are sampled, errors toward outliers.
 */
import type { Exchange } from './exchange.ts';
import { traceId } from './trace-context.ts';

export function log(exchange: Exchange, bytesOut: number): void {
  const { client, engine, pool, backend, status, reason } = exchange;
  const { context } = engine;
  const durationMs = context.nowMs() - exchange.startedMs;
  const { stats } = client;
  stats.request(pool === null ? '' : pool.spec.name, backend === null ? '' : backend.id, status, durationMs);
  stats.bytesIn += exchange.bytesIn;
  stats.bytesOut += bytesOut;
  if (reason !== '') stats.error(reason);
  if (exchange.isLogged) context.accessLog(accessLine(exchange, durationMs, bytesOut));
}

/** For peak-EWMA: the time to the response head. */
export function observeLatency(exchange: Exchange): void {
  if (exchange.pool?.spec.algorithm !== 'ewma') return;
  const nowMs = exchange.engine.context.nowMs();
  exchange.backend?.runtime.observeLatency(nowMs - exchange.startedMs, nowMs);
}

/** A backend's answer or failure, for its circuit and for the cluster's outlier policy. */
export function recordOutcome(exchange: Exchange, failed: boolean): void {
  const { backend, pool } = exchange;
  if (backend === null || pool === null) return;
  const { runtime } = backend;
  if (!failed) {
    if (runtime.consecutiveErrors !== 0) runtime.consecutiveErrors = 0;
    return;
  }
  runtime.consecutiveErrors++;
  const { outlier } = pool.spec;
  if (outlier !== null && runtime.consecutiveErrors >= outlier.consecutiveErrors)
    exchange.engine.context.reportOutlier(backend);
}

function accessLine(exchange: Exchange, durationMs: number, bytesOut: number): object {
  const { head, client, listener, pool, backend, startedMs, assignedMs, sentMs, answeredMs } = exchange;
  return {
    listener: listener.spec.name,
    client: exchange.clientIp === '' ? client.remoteAddress : exchange.clientIp,
    method: head.method,
    host: head.host,
    target: head.target,
    protocol: client.out.framesBodies ? 'HTTP/2' : `HTTP/1.${head.minorVersion}`,
    status: exchange.status,
    reason: exchange.reason,
    pool: pool?.spec.name ?? '',
    backend: backend?.id ?? '',
    attempts: exchange.attempts,
    requestId: exchange.requestId,
    traceId: traceId(exchange),
    durationMs: rounded(durationMs),
    queueMs: phase(startedMs, assignedMs),
    connectMs: phase(assignedMs, sentMs),
    headMs: phase(sentMs, answeredMs),
    bodyMs: phase(answeredMs, startedMs + durationMs),
    bytesIn: exchange.bytesIn,
    bytesOut,
  };
}

/** Of the last try; null where it did not come so far. */
function phase(fromMs: number, toMs: number): number | null {
  return fromMs === 0 || toMs === 0 || toMs < fromMs ? null : rounded(toMs - fromMs);
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
