/**
 * Whether the data directory can be used, asked before any thread starts: the most common fault of a first start gets a
 * sentence instead of a stack.
 */
import { accessSync, constants, mkdirSync } from 'node:fs';
import { userInfo } from 'node:os';
import { errorText } from '@flotilla/shared';

/** Creates it where it is missing. Null: fine; otherwise what is wrong. */
export function dataDirFault(path: string): string | null {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return null;
  } catch (error) {
    return `the data directory ${path} cannot be used by ${userName()}: ${errorText(error)}`;
  }
}

/** A container may run under a number that has no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.() ?? '?'}`;
  }
}
