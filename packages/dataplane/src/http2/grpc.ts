/** What of gRPC a proxy has to know: how its requests look, and how long their clients are willing to wait. */
import type { RequestHead } from '../http1/head.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

export function isGrpc(head: RequestHead): boolean {
  return head.field('content-type')?.startsWith('application/grpc') === true;
}

/** `grpc-timeout` in milliseconds; 0 where there is none, or none that is valid (at most eight digits and a unit). */
export function grpcDeadlineMs(head: RequestHead): number {
  const value = head.field('grpc-timeout');
  if (value === undefined || value.length < 2 || value.length > 9) return 0;
  const unit = UNIT_MS[value.slice(-1)];
  const digits = value.slice(0, -1);
  if (unit === undefined) return 0;
  for (let at = 0; at < digits.length; at++) {
    const code = digits.charCodeAt(at);
    if (code < 0x30 || code > 0x39) return 0;
  }
  return Number(digits) * unit;
}
