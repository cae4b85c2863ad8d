/**
 * The line of the access log for what is no request: a raw stream or a UDP session, written when it ends.
 */
import type { ListenerSpec } from '@flotilla/shared';
import type { Backend } from '../config/table.ts';
import type { DataplaneContext } from '../thread/context.ts';

export interface EndedStream {
  readonly client: string;
  /** What a client of a `tls` listener asked for; '' elsewhere. */
  readonly serverName: string;
  /** Why it was ended, '' where its ends did that. */
  readonly reason: string;
  readonly backend: Backend | null;
  readonly startedMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Status is 0, as in the metrics: a stream has none. */
export function logStream(context: DataplaneContext, spec: ListenerSpec, stream: EndedStream): void {
  const { sampleRatio } = spec.accessLog;
  if (sampleRatio === 0 || (sampleRatio < 1 && context.random() >= sampleRatio)) return;
  const { client, serverName, reason, backend, startedMs, bytesIn, bytesOut } = stream;
  context.accessLog({
    listener: spec.name,
    client,
    protocol: spec.protocol,
    serverName,
    status: 0,
    reason,
    pool: backend?.pool ?? '',
    backend: backend?.id ?? '',
    durationMs: Math.round((context.nowMs() - startedMs) * 1000) / 1000,
    bytesIn,
    bytesOut,
  });
}
