/** What can be wrong with a message of HTTP/2 beside what can be wrong with any (RFC 9113 §8). */
import type { Fault } from '../http1/faults.ts';

const fault = (status: number, reason: string): Fault => ({ status, reason });

export const H2_FAULT = {
  pseudoField: fault(400, 'bad-pseudo-field'),
  connectionField: fault(400, 'connection-field-in-http2'),
  authority: fault(400, 'host-differs-from-authority'),
  unknownProtocol: fault(501, 'unknown-protocol'),
} as const satisfies Record<string, Fault>;
