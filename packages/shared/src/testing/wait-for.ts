/**
 * Waiting for a condition instead of for a time: the only kind of waiting that tests do.
 */
import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves with the first truthy value of `condition`; rejects with `what` and the last error after `timeoutMs`. */
export async function waitFor<T>(
  what: string,
  condition: () => T | Promise<T>,
  options: { readonly timeoutMs?: number; readonly everyMs?: number } = {},
): Promise<NonNullable<T>> {
  const deadline = performance.now() + (options.timeoutMs ?? 30_000);
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline)
      throw new Error(`waited in vain for ${what}; last: ${describe(last)}`, { cause: last });
    await sleep(options.everyMs ?? 10);
  }
}

function describe(value: unknown): string {
  if (value instanceof Error) return value.message;
  return JSON.stringify(value) ?? 'undefined';
}
