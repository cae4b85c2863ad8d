/** The shrinker, on a judge that knows which faults matter. */
import { expect, it } from 'vitest';
import { planOf } from '../faults/plan.ts';
import type { Plan } from '../faults/plan.ts';
import { shrink } from './shrink.ts';

function planWithFaults(): Plan {
  for (let seed = 1; ; seed += 1) {
    const plan = planOf(seed);
    if (plan.faults.length >= 20 && plan.workload.clients > 1) return plan;
  }
}

it('leaves the faults that matter, and nothing else', async () => {
  const plan = planWithFaults();
  const needed = [plan.faults[3], plan.faults[11]];
  const judge = (candidate: Plan): Promise<string | null> =>
    Promise.resolve(needed.every((fault) => candidate.faults.includes(fault!)) ? 'election safety' : null);
  const { plan: small, runs } = await shrink(plan, 'election safety', judge, 500);
  expect(small.faults).toEqual(needed);
  expect(small.workload.clients).toBe(1);
  expect(runs).toBeLessThan(200);
});

it('does not take another failure for the same one', async () => {
  const plan = planWithFaults();
  const judge = (candidate: Plan): Promise<string | null> =>
    Promise.resolve(candidate.faults.length === plan.faults.length ? 'election safety' : 'liveness');
  const { plan: small } = await shrink(plan, 'election safety', judge, 100);
  expect(small.faults).toHaveLength(plan.faults.length);
});
