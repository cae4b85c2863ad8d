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

/** Bytes of lines that wait for standard output; more are dropped and counted. */
const WAITING_MAX_BYTES = 8_388_608;

/** Makes lines of one kind and hands them to `write`, each with its end. Nothing is redacted: the caller says only what may be said. */
export function createLineLogger(
  base: { readonly node: string; readonly thread: string },
  write: (line: string) => void,
): Logger {
  const options = { base, formatters: { level: (label: string) => ({ level: label }) } };
  return pino({ ...options, timestamp: pino.stdTimeFunctions.isoTime }, { write });
}

/**
 * Writes lines to standard output without waiting for it. A reader that does not keep up costs lines, never the thread: `dropped`
 * is called for every text that is lost.
 */
export function createLineWriter(dropped: () => void): (text: string) => void {
  const output = pino.destination({ dest: 1, sync: false, maxLength: WAITING_MAX_BYTES });
  output.on('drop', dropped);
  return (text) => void output.write(text);
}

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
