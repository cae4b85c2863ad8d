/**
 * Histories of concurrent operations, and the sequential models they are judged by. A history is what clients saw: when
 * each operation was called, when it returned, and with what. Knows nothing of who served it.
 */

/** One operation of one client. Times are of one monotonic clock for all clients, in any unit. */
export interface Operation<TInput, TOutput> {
  readonly client: number;
  readonly input: TInput;
  /** null: the outcome is unknown (a timeout, a broken connection). It may have taken effect at any time since the call, or never. */
  readonly output: TOutput | null;
  readonly calledAt: number;
  /** Infinity where the outcome is unknown. */
  readonly returnedAt: number;
}

/** What a correct object would do, one operation after the other. */
export interface Model<TState, TInput, TOutput> {
  /** Operations on different keys do not touch each other and are checked apart (locality: Herlihy and Wing, theorem 1). */
  keyOf(input: TInput): string;
  initial(key: string): TState;
  /** The state after `input` answered `output`, or undefined where a correct object could not have answered so. `output` null: any answer. */
  step(state: TState, input: TInput, output: TOutput | null): TState | undefined;
  /** Equal states have equal text. */
  fingerprint(state: TState): string;
  describe(input: TInput, output: TOutput | null): string;
}

/** A register with versions: what a resource behind If-Match is. Versions rise with every write, not necessarily by one. */
export type RegisterInput =
  | { readonly op: 'read'; readonly key: string }
  | { readonly op: 'write'; readonly key: string; readonly value: number }
  | { readonly op: 'compare-and-set'; readonly key: string; readonly expected: number; readonly value: number };

/** `mismatch`: a compare-and-set was refused because the version was another. */
export type RegisterOutput =
  | { readonly value: number; readonly version: number }
  | { readonly version: number }
  | { readonly mismatch: true };

export interface RegisterState {
  readonly value: number;
  /** null: a write of unknown outcome took effect; the next answer tells the version. */
  readonly version: number | null;
  /** Lower bound of the version. */
  readonly floor: number;
}

function versionFits(state: RegisterState, version: number): boolean {
  return state.version === null ? version > state.floor : version === state.version;
}

function written(state: RegisterState, value: number, output: RegisterOutput | null): RegisterState | undefined {
  if (output === null) return { value, version: null, floor: state.floor };
  if (!('version' in output) || output.version <= state.floor) return undefined;
  return { value, version: output.version, floor: output.version };
}

/** Registers start with `value` at `version`. */
export function registerModel(start: {
  readonly value: number;
  readonly version: number;
}): Model<RegisterState, RegisterInput, RegisterOutput> {
  return {
    keyOf: (input) => input.key,
    initial: () => ({ value: start.value, version: start.version, floor: start.version }),
    step(state, input, output) {
      if (input.op === 'write') return written(state, input.value, output);
      if (input.op === 'read') {
        if (output === null) return state;
        if (!('value' in output) || output.value !== state.value || !versionFits(state, output.version))
          return undefined;
        return { value: state.value, version: output.version, floor: output.version };
      }
      if (output !== null && 'mismatch' in output) {
        return state.version !== null && state.version === input.expected ? undefined : state;
      }
      const matches = versionFits(state, input.expected);
      if (!matches) return output === null ? state : undefined;
      return written({ ...state, floor: input.expected }, input.value, output);
    },
    fingerprint: (state) => `${state.value}@${state.version ?? `>${state.floor}`}`,
    describe(input, output) {
      const result = output === null ? '?' : JSON.stringify(output);
      if (input.op === 'read') return `read ${input.key} → ${result}`;
      if (input.op === 'write') return `${input.key} := ${input.value} → ${result}`;
      return `${input.key}: ${input.expected} ⇒ ${input.value} → ${result}`;
    },
  };
}

/** A counter: not idempotent, so an addition that is taken twice is seen. */
export type CounterInput =
  | { readonly op: 'read'; readonly key: string }
  | { readonly op: 'add'; readonly key: string; readonly amount: number };

/** The value after the operation. */
export type CounterOutput = { readonly value: number };

export const counterModel: Model<number, CounterInput, CounterOutput> = {
  keyOf: (input) => input.key,
  initial: () => 0,
  step(state, input, output) {
    const next = input.op === 'add' ? state + input.amount : state;
    return output === null || output.value === next ? next : undefined;
  },
  fingerprint: (state) => String(state),
  describe(input, output) {
    const result = output === null ? '?' : output.value;
    return input.op === 'read' ? `read ${input.key} → ${result}` : `${input.key} += ${input.amount} → ${result}`;
  },
};
