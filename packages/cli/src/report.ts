/**
 * What a failed command prints and which exit code it ends with: the one place where failures become words.
 */
import { CommanderError } from 'commander';
import colors from 'picocolors';
import { EXIT } from '@flotilla/shared';
import { CliError } from './cli-error.ts';
import { ApiError, UnknownOutcomeError, UnreachableError } from './client/api-client.ts';

/** Prints the failure to standard error and answers the exit code. */
export function report(error: unknown): number {
  // commander has printed its own message, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.clean : EXIT.usage;
  if (error instanceof ApiError) {
    say(`${error.code}: ${error.message}`);
    for (const { path, message } of error.details)
      process.stderr.write(`  ${path || '(the whole document)'}: ${message}\n`);
    // The API speaks of header fields to whoever sends them; here there is an option.
    const hint = error.code === 'UNAUTHENTICATED' ? 'Give one with --token or FLOTILLA_TOKEN.' : error.hint;
    if (hint !== '') process.stderr.write(`${colors.dim(hint)}\n`);
    return exitCodeOf(error);
  }
  if (error instanceof UnreachableError) {
    say(error.message);
    process.stderr.write(colors.dim('Give the API addresses with --server or FLOTILLA_SERVER.\n'));
    return EXIT.unavailable;
  }
  if (error instanceof UnknownOutcomeError) {
    say(error.message);
    return EXIT.unavailable;
  }
  if (error instanceof CliError) {
    say(error.message);
    return error.exitCode;
  }
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return EXIT.internal;
}

function exitCodeOf(error: ApiError): number {
  if (error.code === 'INVALID_CONFIG') return EXIT.configuration;
  return error.status >= 503 ? EXIT.unavailable : EXIT.failure;
}

const say = (text: string): void => void process.stderr.write(`${colors.red('flotilla:')} ${text}\n`);
