/**
 * Story: clients read, write, compare-and-set and count through any node while faults come upon each other as a seed decides.
 * What they saw must be what one copy of the configuration, changed by one client after the other, could have answered.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FAULTS } from '../chaos/faults.ts';
import { runCombined } from '../chaos/schedule.ts';
import { FaultCluster } from '../harness/fault-cluster.ts';
import { SeededRandom } from '../harness/random.ts';
import { chaosSeconds, OPERATIONS_MIN, SEED, Story } from './story.ts';

const seconds = chaosSeconds(30);
const FAULTS_MIN = 5;
/** Starting, healing and judging take their time besides. */
const LIMIT_MS = seconds * 1_000 + 150_000;

let faulty: FaultCluster;
beforeAll(async () => {
  faulty = await FaultCluster.start();
});
afterAll(() => faulty?.[Symbol.asyncDispose]());

it(
  `is linearizable under faults combined (seed ${SEED})`,
  async () => {
    const { nodes } = faulty.cluster;
    const story = await Story.start(nodes);
    const counts = await runCombined(
      {
        faulty,
        random: new SeededRandom(SEED),
        onDown: () => undefined,
        onUp: () => undefined,
        killBackend: async (_id, kill) => void (await kill()),
        onBackendUp: () => undefined,
      },
      {
        untilMs: performance.now() + seconds * 1_000,
        atOnce: 2,
        nodes,
        faults: FAULTS.filter(({ name }) => name !== 'backend killed'),
      },
    );
    faulty.heal();
    await faulty.cluster.leader();
    const end = await story.end(counts, faulty.machine.missing);
    expect(end.faults).toEqual([]);
    expect(end.verdict, `drawn in ${end.timeline}`).toBe('linearizable');
    expect(end.operations).toBeGreaterThan(OPERATIONS_MIN);
    expect(end.injected).toBeGreaterThanOrEqual(FAULTS_MIN);
    await faulty.cluster.converge(30_000);
  },
  LIMIT_MS,
);
