/** How many tries a pool may have beyond its requests, over time. */
import { expect, test } from 'vitest';
import { RETRY_BUDGET_WINDOW_MS } from '../limits.ts';
import { RetryBudget } from './retry-budget.ts';

/** How many retries are allowed at once. */
function allowed(budget: RetryBudget, nowMs: number, ratio = 0.2, minCount = 3): number {
  let count = 0;
  while (budget.tryRetry(nowMs, ratio, minCount)) count++;
  return count;
}

/** Evenly, `perSecond` from `fromMs` to `toMs`. */
function requests(budget: RetryBudget, perSecond: number, fromMs: number, toMs: number): void {
  for (let nowMs = fromMs; nowMs < toMs; nowMs += 1_000 / perSecond) budget.request(nowMs);
}

test('a share of the requests, also of those before the first that failed', () => {
  const budget = new RetryBudget();
  requests(budget, 100, 100_000, 160_000);
  // A backend breaks, and what it had is tried elsewhere at once: of the requests of at least one window, and at most two.
  const count = allowed(budget, 160_000);
  expect(count).toBeGreaterThanOrEqual((100 * RETRY_BUDGET_WINDOW_MS * 0.2) / 1_000);
  expect(count).toBeLessThanOrEqual((2 * 100 * RETRY_BUDGET_WINDOW_MS * 0.2) / 1_000);
});

test('a few in any case, and no more of them where there are no requests', () => {
  const budget = new RetryBudget();
  budget.request(1_000);
  expect(allowed(budget, 1_000)).toBe(3);
  expect(allowed(budget, 1_000)).toBe(0);
});

test('what is long past counts neither way', () => {
  const budget = new RetryBudget();
  requests(budget, 100, 0, 10_000);
  expect(allowed(budget, 10_000)).toBeGreaterThan(100);
  const later = 10_000 + 3 * RETRY_BUDGET_WINDOW_MS;
  budget.request(later);
  expect(allowed(budget, later)).toBe(3);
});
