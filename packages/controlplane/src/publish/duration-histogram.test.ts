/** Durations are counted as prom-client counts them, a bound being part of its bucket. */
import { Histogram, Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { DurationHistogram } from './duration-histogram.ts';
import { render } from './exposition.ts';

it('says the same as prom-client', async () => {
  const options = { name: 'flotilla_test_seconds', help: 'Durations.', buckets: [0.001, 0.01, 0.5] };
  const registry = new Registry();
  const theirs = new Histogram({ ...options, registers: [registry] });
  const ours = new DurationHistogram(options);
  for (const seconds of [0, 0.001, 0.002, 0.01, 0.25, 0.5, 0.75, 100]) {
    ours.observe(seconds);
    theirs.observe(seconds);
  }
  expect(render([ours.family()]).trim()).toBe((await registry.metrics()).trim());
});
