/** The model of the document judged by short histories whose verdict is known. */
import { checkHistory } from '@flotilla/simulator';
import type { Operation } from '@flotilla/simulator';
import { expect, it } from 'vitest';
import { documentModel } from './document-model.ts';
import type { DocumentInput, DocumentOutput } from './document-model.ts';

const model = documentModel({ weights: { b1: 100, b2: 0 }, revision: 10 });

type Step = readonly [client: number, span: readonly [number, number], DocumentInput, DocumentOutput | null];
const verdictOf = (...steps: readonly Step[]): string =>
  checkHistory(
    model,
    steps.map(([client, [calledAt, returnedAt], input, output]): Operation<DocumentInput, DocumentOutput> => {
      return { client, calledAt, returnedAt: output === null ? Infinity : returnedAt, input, output };
    }),
  ).verdict;

const read = (key: string): DocumentInput => ({ op: 'read', key });
const write = (value: number): DocumentInput => ({ op: 'write', key: 'b1', value });
const cas = (expected: number, value: number): DocumentInput => ({ op: 'compare-and-set', key: 'b1', expected, value });
const add: DocumentInput = { op: 'add', key: 'b2' };

it('one revision stands over all weights', () => {
  const other: Step = [1, [0, 1], add, { value: 1, revision: 11 }];
  expect(verdictOf(other, [2, [2, 3], cas(10, 7), { mismatch: true }])).toBe('linearizable');
  expect(verdictOf(other, [2, [2, 3], cas(10, 7), { revision: 12 }])).toBe('not-linearizable');
  expect(verdictOf(other, [2, [2, 3], read('b1'), { value: 100, revision: 11 }])).toBe('linearizable');
  expect(verdictOf(other, [2, [2, 3], read('b1'), { value: 100, revision: 10 }])).toBe('not-linearizable');
});

it('an addition that is taken twice is seen', () => {
  expect(
    verdictOf([1, [0, 1], add, { value: 1, revision: 11 }], [2, [2, 3], read('b2'), { value: 2, revision: 12 }]),
  ).toBe('not-linearizable');
});

it('an addition of unknown outcome may come later or never, but once', () => {
  const unknown: Step = [1, [0, 1], add, null];
  expect(verdictOf(unknown, [2, [5, 6], add, { value: 1, revision: 11 }])).toBe('linearizable');
  expect(verdictOf(unknown, [2, [5, 6], add, { value: 2, revision: 15 }])).toBe('linearizable');
  expect(verdictOf(unknown, [2, [5, 6], add, { value: 3, revision: 15 }])).toBe('not-linearizable');
});

it('an unknown write moves the revision: a compare-and-set with the former one may fail or win, not both orders', () => {
  const unknown: Step = [1, [0, 1], write(7), null];
  expect(verdictOf(unknown, [2, [5, 6], cas(10, 8), { mismatch: true }])).toBe('linearizable');
  expect(verdictOf(unknown, [2, [5, 6], cas(10, 8), { revision: 11 }])).toBe('linearizable');
  expect(
    verdictOf(
      unknown,
      [2, [5, 6], cas(10, 8), { mismatch: true }],
      [2, [7, 8], read('b1'), { value: 100, revision: 10 }],
    ),
  ).toBe('not-linearizable');
});

it('a lost write, a stale read and a refused write that happened are seen', () => {
  const done: Step = [1, [0, 1], write(7), { revision: 11 }];
  expect(verdictOf(done, [2, [2, 3], read('b1'), { value: 100, revision: 10 }])).toBe('not-linearizable');
  expect(verdictOf([2, [2, 3], read('b1'), { value: 7, revision: 11 }])).toBe('not-linearizable');
});
