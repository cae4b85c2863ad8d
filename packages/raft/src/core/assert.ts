/**
 * Assertions of the core. A broken one means that state can no longer be trusted; `step` turns it into a `halt` effect
 * and the process ends, while the other replicas go on.
 */

export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new InvariantError(what);
}
