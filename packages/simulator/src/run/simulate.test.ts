/** Whole simulations: the seeds that once found something, some more, and the promise that a seed decides everything. */
import { describe, expect, it } from 'vitest';
import { planOf } from '../faults/plan.ts';
import { Coverage } from './coverage.ts';
import regressions from './regressions.json' with { type: 'json' };
import { runSimulation } from './run.ts';
import { simulate } from './simulate.ts';

/** A bound for machines that do other things too; alone each takes a few seconds. */
const TIMEOUT_MS = 400_000;
const SHORT_MS = 5000;

describe('regressions', () => {
  it.each(regressions)(
    'seed $seed: $found',
    async ({ seed }) => {
      const { violation } = await simulate(planOf(seed));
      expect(violation).toBeNull();
    },
    TIMEOUT_MS,
  );
});

it(
  'the same seed gives the same run, line by line',
  async () => {
    const [once, again] = [
      await simulate(planOf(7, SHORT_MS), { keepLines: 100_000 }),
      await simulate(planOf(7, SHORT_MS), { keepLines: 100_000 }),
    ];
    expect(once.lastLines.length).toBeGreaterThan(1000);
    expect(again.lastLines).toEqual(once.lastLines);
    expect(again.traceHash).toBe(once.traceHash);
    const other = await simulate(planOf(8, SHORT_MS));
    expect(other.traceHash).not.toBe(once.traceHash);
  },
  TIMEOUT_MS,
);

it(
  'two dozens of short seeds break nothing, and do exercise the cluster',
  async () => {
    const result = await runSimulation({ seeds: 24, firstSeed: 1000, timeMs: SHORT_MS });
    expect(result.failure).toBeNull();
    expect(result.seedsDone).toBe(24);
    for (const kind of ['election', 'restart', 'truncation', 'snapshot saved', 'membership changed', 'read answered']) {
      expect(result.coverage.get(kind), kind).toBeGreaterThan(0);
    }
  },
  TIMEOUT_MS,
);

it('what never happened is named', () => {
  const coverage = new Coverage();
  coverage.add('election');
  expect(coverage.missing()).toContain('truncation');
  expect(coverage.missing()).toContain('fault: crash');
  expect(coverage.missing()).not.toContain('election');
});
