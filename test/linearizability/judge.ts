/**
 * Judges a history of the document in bounded time. Changes of unknown outcome make the search exponential, so it is tried
 * first without those that nobody ever saw (they may as well never have happened: what is linearizable without them is
 * linearizable), and with those that were seen ending when they were first seen. Only where that fails, all are let in.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkHistory, drawTimeline } from '@flotilla/simulator';
import type { Model, Operation, Verdict } from '@flotilla/simulator';
import type { History } from './clients.ts';
import type { DocumentInput, DocumentOutput, DocumentState } from './document-model.ts';

/** Some seconds and some hundred MB at most. */
const LIMITS = { maxSteps: 400_000 };

type DocumentOperation = Operation<DocumentInput, DocumentOutput>;

export interface Judgement {
  readonly verdict: Verdict;
  readonly operations: number;
  readonly unknown: number;
  /** A page that shows what cannot be ordered; '' where all is well. */
  readonly timeline: string;
}

export function judge(model: Model<DocumentState, DocumentInput, DocumentOutput>, history: History): Judgement {
  const unknown = history.filter((operation) => operation.output === null).length;
  const facts = { operations: history.length, unknown };
  const likely = checkHistory(model, withoutUnseen(history), LIMITS);
  if (likely.verdict === 'linearizable') return { verdict: 'linearizable', ...facts, timeline: '' };
  const result = checkHistory(model, history, LIMITS);
  const [document] = result.keys;
  if (result.verdict === 'linearizable' || document === undefined) {
    return { verdict: 'linearizable', ...facts, timeline: '' };
  }
  const file = join(mkdtempSync(join(tmpdir(), 'flotilla-history-')), 'timeline.html');
  // The shorter history tells more: what is not in it, nobody saw.
  writeFileSync(file, drawTimeline(model, likely.keys[0] ?? document));
  writeFileSync(file.replace('timeline.html', 'history.json'), JSON.stringify(history));
  return { verdict: result.verdict, ...facts, timeline: file };
}

/** Unknown changes that were seen, with the time by which they must have happened; all that is known as it is. */
function withoutUnseen(history: History): History {
  const known = history.filter((operation) => operation.output !== null);
  const seen = history
    .filter((operation) => operation.output === null)
    .flatMap((operation): DocumentOperation[] => {
      const { input, calledAt } = operation;
      if (input.op !== 'write' && input.op !== 'compare-and-set') return [];
      const later = known.filter((other) => other.returnedAt >= calledAt && other.input.key === input.key);
      // Another change to the same value explains all that was seen of it.
      if (later.some((other) => other.input.op !== 'read' && valueOf(other) === input.value)) return [];
      const sight = later.filter((other) => seenBy(other) === input.value).map((other) => other.returnedAt);
      return sight.length === 0 ? [] : [{ ...operation, returnedAt: Math.min(...sight) }];
    });
  return [...known, ...seen].toSorted((a, b) => a.calledAt - b.calledAt);
}

/** What it left, where it happened. */
function valueOf({ input, output }: DocumentOperation): number | null {
  if (output === null || 'mismatch' in output) return null;
  return 'value' in output ? output.value : 'value' in input ? input.value : null;
}

/** What must have been there right before it. */
function seenBy({ input, output }: DocumentOperation): number | null {
  if (output === null || !('value' in output)) return null;
  return input.op === 'add' ? output.value - 1 : output.value;
}
