/**
 * The logger factory. One JSON line per event to standard output; secrets are redacted here, once, by field name.
 */
import { pino } from 'pino';
import type { Logger } from 'pino';

export type { Logger };

/** Fields that never reach a log, wherever they stand. */
const SECRET_FIELDS = [
  'token',
  'tokens',
  'secret',
  'clusterSecret',
  'keyPem',
  'authorization',
  'apiTokens',
  'joinToken',
];

/** `level`: trace, debug, info, warn, error, fatal or silent. */
export function createLogger(options: {
  readonly level: string;
  readonly nodeId: string;
  readonly thread: string;
}): Logger {
  return pino({
    level: options.level,
    base: { node: options.nodeId, thread: options.thread },
    redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: '[redacted]' },
    formatters: { level: (label) => ({ level: label }) },
    timestamp: pino.stdTimeFunctions.isoTime,
  });
}
