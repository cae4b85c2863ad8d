/** Idempotency: the answer of a command that carried a key is kept for a day of log time and given again to whoever repeats it. */
import type { Command } from './commands.ts';
import { type Context, refuse } from './context.ts';
import { hashHex } from './hash.ts';
import { OUTCOME_TTL_MS, OUTCOMES_MAX_BYTES, OUTCOMES_MAX_COUNT } from './limits.ts';
import type { CommandResult } from './result.ts';

/** Authors have their own keys: nobody can read another's answer by guessing. */
function outcomeKey(author: string, key: string): string {
  return `${author.length}:${author}:${key}`;
}

/** What was asked, whoever asked from wherever. */
function fingerprint(command: Command): string {
  return hashHex(JSON.stringify({ ...command, author: '', source: '', key: '' }));
}

/** The stored answer; a refusal where the key was used for something else; null where it is new. */
export function findOutcome(context: Context, key: string, command: Command): CommandResult | null {
  const { state, timeMs, author } = context;
  const row = state.outcomes.get(outcomeKey(author, key));
  if (row === undefined || timeMs - row.timeMs > OUTCOME_TTL_MS) return null;
  if (row.fingerprint === fingerprint(command)) return { ...row.result, replayed: true };
  return refuse(context, 'CONFLICT', 'this Idempotency-Key was used for another request');
}

export function keepOutcome(context: Context, key: string, command: Command, result: CommandResult): void {
  const { state, timeMs, author, index } = context;
  const at = outcomeKey(author, key);
  // Deleted first, so that the place in the order of dropping is that of the new answer.
  state.outcomes.delete(at);
  state.outcomes.set(at, { index, timeMs, fingerprint: fingerprint(command), result });
  while (state.outcomes.size > OUTCOMES_MAX_COUNT || state.outcomes.bytes > OUTCOMES_MAX_BYTES)
    state.outcomes.deleteOldest();
}
