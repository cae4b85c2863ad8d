/**
 * Is a history linearizable? Wing and Gong's search ("Testing and verifying concurrent objects", 1993) with Lowe's
 * memory of (operations done, state) pairs and Porcupine's partition by key and doubly linked list of calls and returns.
 *
 * The search walks the list of calls and returns in time order. A call may be the next to take effect while no return
 * was passed; taking it lifts its two ends from the list and starts again at the front. A return that is reached means
 * that its operation had to take effect before: go back, and try another order.
 */
import type { Model, Operation } from './history.ts';

export type Verdict = 'linearizable' | 'not-linearizable' | 'undecided';

export interface KeyResult<TInput, TOutput> {
  readonly key: string;
  readonly verdict: Verdict;
  readonly operations: readonly Operation<TInput, TOutput>[];
  /** The longest order found that a correct object could have taken: positions in `operations`. */
  readonly longestOrder: readonly number[];
}

export interface CheckResult<TInput, TOutput> {
  /** The worst of the keys'. */
  readonly verdict: Verdict;
  readonly keys: readonly KeyResult<TInput, TOutput>[];
}

export interface CheckLimits {
  /** Steps of the search for one key; then the verdict is `undecided`. */
  readonly maxSteps: number;
}

const DEFAULT_LIMITS: CheckLimits = { maxSteps: 20_000_000 };

/** Judges each key apart. Never throws for a history, however odd. */
export function checkHistory<TState, TInput, TOutput>(
  model: Model<TState, TInput, TOutput>,
  history: readonly Operation<TInput, TOutput>[],
  limits: CheckLimits = DEFAULT_LIMITS,
): CheckResult<TInput, TOutput> {
  const byKey = new Map<string, Operation<TInput, TOutput>[]>();
  for (const operation of history) {
    const key = model.keyOf(operation.input);
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, [operation]);
    else known.push(operation);
  }
  const keys = [...byKey].map(([key, operations]) => checkKey(model, key, operations, limits));
  const worst = (verdict: Verdict): boolean => keys.some((result) => result.verdict === verdict);
  const verdict = worst('not-linearizable') ? 'not-linearizable' : worst('undecided') ? 'undecided' : 'linearizable';
  return { verdict, keys };
}

/** One end of an operation in the list: its call, or its return (whose `match` is null). */
interface Node {
  readonly id: number;
  match: Node | null;
  previous: Node | null;
  next: Node | null;
}

function checkKey<TState, TInput, TOutput>(
  model: Model<TState, TInput, TOutput>,
  key: string,
  operations: readonly Operation<TInput, TOutput>[],
  limits: CheckLimits,
): KeyResult<TInput, TOutput> {
  const head = listOf(operations);
  const seen = new Set<string>();
  const done = new Uint8Array(operations.length);
  const order: { readonly node: Node; readonly before: TState }[] = [];
  let state = model.initial(key);
  let longest: number[] = [];
  let node = head.next;
  const result = (verdict: Verdict): KeyResult<TInput, TOutput> => ({
    key,
    verdict,
    operations,
    longestOrder: longest,
  });

  for (let steps = 0; head.next !== null; steps += 1) {
    if (steps >= limits.maxSteps) return result('undecided');
    if (node !== null && node.match !== null) {
      const operation = operations[node.id];
      const after = operation && model.step(state, operation.input, operation.output);
      if (after !== undefined && remember(seen, done, node.id, model.fingerprint(after))) {
        order.push({ node, before: state });
        if (order.length > longest.length) longest = order.map((item) => item.node.id);
        state = after;
        done[node.id] = 1;
        lift(node);
        node = head.next;
      } else {
        node = node.next;
      }
      continue;
    }
    // A return: its operation had to come earlier. Undo the latest choice and go on behind it.
    const last = order.pop();
    if (last === undefined) return result('not-linearizable');
    state = last.before;
    done[last.node.id] = 0;
    unlift(last.node);
    node = last.node.next;
  }
  return result('linearizable');
}

/** False where these very operations were taken before and led to the same state: nothing new can follow. */
function remember(seen: Set<string>, done: Uint8Array, id: number, state: string): boolean {
  done[id] = 1;
  const fingerprint = `${packBits(done)}|${state}`;
  done[id] = 0;
  if (seen.has(fingerprint)) return false;
  seen.add(fingerprint);
  return true;
}

function packBits(bits: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bits.length; at += 16) {
    let word = 0;
    for (let bit = 0; bit < 16; bit += 1) word |= (bits[at + bit] ?? 0) << bit;
    text += String.fromCharCode(word);
  }
  return text;
}

/** Calls and returns in time order behind a sentinel. At equal times calls come first: the operations overlap. */
function listOf(operations: readonly Operation<unknown, unknown>[]): Node {
  const ends: { readonly at: number; readonly isReturn: boolean; readonly node: Node }[] = [];
  for (const [id, operation] of operations.entries()) {
    const returned: Node = { id, match: null, previous: null, next: null };
    const called: Node = { id, match: returned, previous: null, next: null };
    ends.push({ at: operation.calledAt, isReturn: false, node: called });
    ends.push({ at: operation.returnedAt, isReturn: true, node: returned });
  }
  ends.sort((a, b) => (a.at === b.at ? Number(a.isReturn) - Number(b.isReturn) : a.at - b.at));
  const head: Node = { id: -1, match: null, previous: null, next: null };
  let last = head;
  for (const { node } of ends) {
    last.next = node;
    node.previous = last;
    last = node;
  }
  return head;
}

function lift(called: Node): void {
  unlink(called);
  if (called.match !== null) unlink(called.match);
}

function unlift(called: Node): void {
  if (called.match !== null) relink(called.match);
  relink(called);
}

function unlink(node: Node): void {
  if (node.previous !== null) node.previous.next = node.next;
  if (node.next !== null) node.next.previous = node.previous;
}

function relink(node: Node): void {
  if (node.previous !== null) node.previous.next = node;
  if (node.next !== null) node.next.previous = node;
}
