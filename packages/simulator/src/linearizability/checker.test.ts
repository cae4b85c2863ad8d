/** The checker judged by histories whose verdict is known, and by brute force over all orders. */
import fc from 'fast-check';
import { describe, expect, it, test as property } from 'vitest';
import { checkHistory } from './checker.ts';
import { counterModel, registerModel } from './history.ts';
import type { CounterInput, CounterOutput, Model, Operation, RegisterInput, RegisterOutput } from './history.ts';
import { drawTimeline } from './timeline.ts';

type RegisterOperation = Operation<RegisterInput, RegisterOutput>;
const register = registerModel({ value: 0, version: 1 });

function op(
  client: number,
  span: readonly [number, number],
  input: RegisterInput,
  output: RegisterOutput | null,
): RegisterOperation {
  return { client, calledAt: span[0], returnedAt: output === null ? Infinity : span[1], input, output };
}
const write = (value: number): RegisterInput => ({ op: 'write', key: 'x', value });
const read: RegisterInput = { op: 'read', key: 'x' };
const cas = (expected: number, value: number): RegisterInput => ({ op: 'compare-and-set', key: 'x', expected, value });

const good: Record<string, RegisterOperation[]> = {
  'a read during a write sees the old value': [
    op(1, [0, 10], write(7), { version: 5 }),
    op(2, [1, 2], read, { value: 0, version: 1 }),
  ],
  'a read during a write sees the new value': [
    op(1, [0, 10], write(7), { version: 5 }),
    op(2, [1, 2], read, { value: 7, version: 5 }),
  ],
  'a write of unknown outcome is seen later': [
    op(1, [0, 0], write(7), null),
    op(2, [5, 6], read, { value: 0, version: 1 }),
    op(2, [7, 8], read, { value: 7, version: 9 }),
  ],
  'a write of unknown outcome is never seen': [
    op(1, [0, 0], write(7), null),
    op(2, [5, 6], read, { value: 0, version: 1 }),
  ],
  'one of two compare-and-sets wins': [
    op(1, [0, 10], cas(1, 5), { version: 2 }),
    op(2, [0, 10], cas(1, 6), { mismatch: true }),
    op(1, [11, 12], read, { value: 5, version: 2 }),
  ],
};

const bad: Record<string, RegisterOperation[]> = {
  'an acknowledged write is lost': [
    op(1, [0, 1], write(7), { version: 5 }),
    op(2, [2, 3], read, { value: 0, version: 1 }),
  ],
  'a value is seen, then unseen': [
    op(1, [0, 10], write(7), { version: 5 }),
    op(2, [1, 2], read, { value: 7, version: 5 }),
    op(2, [3, 4], read, { value: 0, version: 1 }),
  ],
  'a value comes from nowhere': [op(1, [0, 1], read, { value: 9, version: 1 })],
  'two compare-and-sets win on one version': [
    op(1, [0, 10], cas(1, 5), { version: 2 }),
    op(2, [0, 10], cas(1, 6), { version: 3 }),
  ],
  'a refused compare-and-set should have won': [op(1, [0, 1], cas(1, 5), { mismatch: true })],
  'a version goes back': [op(1, [0, 1], write(7), { version: 5 }), op(1, [2, 3], write(8), { version: 4 })],
};

describe('register', () => {
  it.each(Object.entries(good))('linearizable: %s', (_name, history) => {
    expect(checkHistory(register, history).verdict).toBe('linearizable');
  });
  it.each(Object.entries(bad))('not linearizable: %s', (_name, history) => {
    expect(checkHistory(register, history).verdict).toBe('not-linearizable');
  });
  it('keys are judged apart', () => {
    const lost = bad['an acknowledged write is lost'] ?? [];
    const other = good['a read during a write sees the old value']?.map((item) => ({
      ...item,
      input: { ...item.input, key: 'y' },
    }));
    const result = checkHistory(register, [...lost, ...(other ?? [])]);
    expect(result.keys.map((key) => [key.key, key.verdict])).toEqual([
      ['x', 'not-linearizable'],
      ['y', 'linearizable'],
    ]);
  });
  it('gives up after its limit instead of for ever', () => {
    const history = Array.from({ length: 12 }, (_, client) =>
      op(client, [0, 100], write(client), { version: 20 - client }),
    );
    expect(checkHistory(register, history, { maxSteps: 50 }).verdict).toBe('undecided');
  });
  it('draws what cannot be ordered', () => {
    const key = checkHistory(register, bad['an acknowledged write is lost'] ?? []).keys[0];
    const page = key === undefined ? '' : drawTimeline(register, key);
    expect(page).toContain('class="stuck"');
    expect(page).toContain('client 2');
  });
});

/** Every order that respects time, tried one by one. */
function bruteForce<TState, TInput, TOutput>(
  model: Model<TState, TInput, TOutput>,
  history: readonly Operation<TInput, TOutput>[],
): boolean {
  const place = (state: TState, left: readonly Operation<TInput, TOutput>[]): boolean =>
    left.length === 0 ||
    left.some((next) => {
      if (left.some((other) => other.returnedAt < next.calledAt)) return false;
      const after = model.step(state, next.input, next.output);
      return (
        after !== undefined &&
        place(
          after,
          left.filter((other) => other !== next),
        )
      );
    });
  return place(model.initial('c'), history);
}

property('agrees with brute force on random counter histories', () => {
  const operation = fc.record({
    client: fc.nat(2),
    calledAt: fc.nat(12),
    lasts: fc.integer({ min: 1, max: 6 }),
    amount: fc.nat(2),
    value: fc.option(fc.nat(5)),
  });
  let bothSeen = 0;
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 6 }), (items) => {
      const history = items.map(
        ({ client, calledAt, lasts, amount, value }): Operation<CounterInput, CounterOutput> => ({
          client,
          calledAt,
          returnedAt: value === null ? Infinity : calledAt + lasts + 0.5,
          input: amount === 0 ? { op: 'read', key: 'c' } : { op: 'add', key: 'c', amount },
          output: value === null ? null : { value },
        }),
      );
      const expected = bruteForce(counterModel, history);
      bothSeen |= expected ? 1 : 2;
      expect(checkHistory(counterModel, history).verdict).toBe(expected ? 'linearizable' : 'not-linearizable');
    }),
    { numRuns: 2000 },
  );
  expect(bothSeen).toBe(3);
});
