/**
 * Which failures of a start end the process, and with which exit code.
 */
import { EXIT } from '@flotilla/shared';

const EXIT_BY_CODE: Readonly<Record<string, number>> = {
  EADDRINUSE: EXIT.unavailable,
  EADDRNOTAVAIL: EXIT.unavailable,
  EACCES: EXIT.unavailable,
  DISK: EXIT.disk,
  DAMAGED: EXIT.disk,
  LEVEL_DATABASE_NOT_OPEN: EXIT.disk,
  ENOSPC: EXIT.disk,
  EROFS: EXIT.disk,
  EIO: EXIT.disk,
  INVALID_CONFIG: EXIT.configuration,
};

/** Null: unforeseen; a new thread may do better. */
export function exitCodeOf(error: unknown): number | null {
  for (let current = error; current instanceof Error; current = current.cause) {
    const code: unknown = (current as Error & { readonly code?: unknown }).code;
    const exitCode = typeof code === 'string' ? EXIT_BY_CODE[code] : undefined;
    if (exitCode !== undefined) return exitCode;
  }
  return null;
}
