/**
 * The configuration as one object with one version: weights of several backends and the revision that all of them share. It
 * cannot be judged key by key: a write of one weight changes the revision that a compare-and-set of another was given.
 *
 * Each backend's weight is a register (`write`, `read`), all of them stand behind one compare-and-set (If-Match), and one
 * is a counter (`add`): not idempotent, so an addition that is taken twice, or answered as refused and taken, is seen.
 */
import type { Model } from '@flotilla/simulator';

export type DocumentInput =
  | { readonly op: 'read'; readonly key: string }
  | { readonly op: 'write'; readonly key: string; readonly value: number }
  | { readonly op: 'compare-and-set'; readonly key: string; readonly expected: number; readonly value: number }
  | { readonly op: 'add'; readonly key: string };

/** `mismatch`: the revision was another. `add` answers the value that it left. */
export type DocumentOutput =
  | { readonly value: number; readonly revision: number }
  | { readonly revision: number }
  | { readonly mismatch: true };

export interface DocumentState {
  readonly weights: Readonly<Record<string, number>>;
  /** null: a write of unknown outcome took effect; the next answer tells the revision. */
  readonly revision: number | null;
  /** Lower bound of the revision. */
  readonly floor: number;
}

function fits(state: DocumentState, revision: number): boolean {
  return state.revision === null ? revision > state.floor : revision === state.revision;
}

function at(state: DocumentState, revision: number): DocumentState {
  return { weights: state.weights, revision, floor: revision };
}

function written(
  state: DocumentState,
  change: { readonly key: string; readonly value: number },
  output: DocumentOutput | null,
): DocumentState | undefined {
  const weights = { ...state.weights, [change.key]: change.value };
  if (output === null) return { weights, revision: null, floor: state.floor };
  if (!('revision' in output) || output.revision <= state.floor) return undefined;
  return { weights, revision: output.revision, floor: output.revision };
}

/** The document starts with these weights at this revision. */
export function documentModel(start: {
  readonly weights: Readonly<Record<string, number>>;
  readonly revision: number;
}): Model<DocumentState, DocumentInput, DocumentOutput> {
  return {
    keyOf: () => 'document',
    initial: () => ({ weights: start.weights, revision: start.revision, floor: start.revision }),
    step(state, input, output) {
      switch (input.op) {
        case 'write':
          return written(state, input, output);
        case 'add': {
          const value = (state.weights[input.key] ?? 0) + 1;
          if (output !== null && (!('value' in output) || output.value !== value)) return undefined;
          return written(state, { key: input.key, value }, output);
        }
        case 'read':
          if (output === null) return state;
          if (!('value' in output) || output.value !== state.weights[input.key]) return undefined;
          return fits(state, output.revision) ? at(state, output.revision) : undefined;
        case 'compare-and-set':
          return compareAndSet(state, input, output);
      }
    },
    fingerprint: ({ weights, revision, floor }) =>
      `${Object.values(weights).join(',')}@${revision === null ? `>${floor}` : revision}`,
    describe(input, output) {
      const result = output === null ? '?' : JSON.stringify(output);
      if (input.op === 'read') return `read ${input.key} → ${result}`;
      if (input.op === 'write') return `${input.key} := ${input.value} → ${result}`;
      if (input.op === 'add') return `${input.key} += 1 → ${result}`;
      return `${input.key} := ${input.value} if ${input.expected} → ${result}`;
    },
  };
}

function compareAndSet(
  state: DocumentState,
  input: DocumentInput & { readonly op: 'compare-and-set' },
  output: DocumentOutput | null,
): DocumentState | undefined {
  if (output !== null && 'mismatch' in output) return state.revision === input.expected ? undefined : state;
  if (!fits(state, input.expected)) return output === null ? state : undefined;
  return written(at(state, input.expected), input, output);
}
