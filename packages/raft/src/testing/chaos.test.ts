/** Many seeds of chaos; every safety property is checked after every step, and the cluster must come together at the end. */
import { describe, expect, it } from 'vitest';
import { Chaos } from './chaos.ts';

const SEED_COUNT = 100;
const STEP_COUNT = 2500;

function runSeeds(membership: boolean): Record<string, number> {
  const total: Record<string, number> = {};
  for (let seed = 1; seed <= SEED_COUNT; seed += 1) {
    const chaos = new Chaos({ seed, stepCount: STEP_COUNT, membership });
    try {
      chaos.run();
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : 'failed'}`, { cause: error });
    }
    for (const [name, count] of Object.entries(chaos.cluster.checks.counts)) total[name] = (total[name] ?? 0) + count;
  }
  return total;
}

describe('a cluster of cores under chaos', () => {
  it('keeps every safety property with fixed membership, and heals', () => {
    const counts = runSeeds(false);
    expect(counts['elections']).toBeGreaterThan(SEED_COUNT);
    for (const name of ['committed', 'truncations', 'installs', 'reads', 'restarts']) {
      expect(counts[name], name).toBeGreaterThan(10);
    }
  });

  it('keeps them while membership changes too', () => {
    const counts = runSeeds(true);
    for (const name of ['committed', 'truncations', 'installs', 'reads', 'restarts', 'confChanges']) {
      expect(counts[name], name).toBeGreaterThan(10);
    }
  });
});
