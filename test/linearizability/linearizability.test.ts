/**
 * Story: clients read, write, compare-and-set and count through any node while faults come upon each other as a seed decides.
 * What they saw must be what one copy of the configuration, changed by one client after the other, could have answered.
 *
 * FLOTILLA_CHAOS_SEED repeats a run's faults, FLOTILLA_CHAOS_SECONDS makes it longer.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FAULTS } from '../chaos/faults.ts';
import { runCombined } from '../chaos/schedule.ts';
import { FaultCluster } from '../harness/fault-cluster.ts';
import { SeededRandom } from '../harness/random.ts';
import { Clients } from './clients.ts';
import { documentModel } from './document-model.ts';
import { judge } from './judge.ts';

const seed = Number(process.env['FLOTILLA_CHAOS_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const seconds = Number(process.env['FLOTILLA_CHAOS_SECONDS'] ?? 30);
const REGISTERS = ['b1', 'b2'];
const COUNTER = 'b3';
const OPERATIONS_MIN = 100;
const FAULTS_MIN = 5;
/** Starting, healing and judging take their time besides. */
const LIMIT_MS = seconds * 1_000 + 150_000;

let faulty: FaultCluster;
beforeAll(async () => {
  faulty = await FaultCluster.start();
});
afterAll(() => faulty?.[Symbol.asyncDispose]());

it(
  `is linearizable under faults combined (seed ${seed})`,
  async () => {
    const [first] = faulty.cluster.nodes;
    const zero = await first!.call('PATCH', `/v1/pools/api/backends/${COUNTER}`, { body: { weight: 0 } });
    const start = { weights: { b1: 100, b2: 100, [COUNTER]: 0 }, revision: zero.body.revision as number };
    const clients = new Clients({
      nodes: faulty.cluster.nodes,
      registers: REGISTERS,
      counter: COUNTER,
      clients: 5,
      pauseMs: 40,
      seed,
    }).start();

    const counts = await runCombined(
      {
        faulty,
        random: new SeededRandom(seed),
        onDown: () => undefined,
        onUp: () => undefined,
        killBackend: async (_id, kill) => void (await kill()),
        onBackendUp: () => undefined,
      },
      {
        untilMs: performance.now() + seconds * 1_000,
        atOnce: 2,
        nodes: faulty.cluster.nodes,
        faults: FAULTS.filter(({ name }) => name !== 'backend killed'),
      },
    );
    faulty.heal();
    await faulty.cluster.leader();
    const { history, faults } = await clients.stop();

    const judgement = judge(documentModel(start), history);
    console.log(`seed ${seed}:`, JSON.stringify(judgement), JSON.stringify(Object.fromEntries(counts)));
    for (const line of faulty.machine.missing) console.log(`left out: ${line}`);
    expect(faults).toEqual([]);
    expect(judgement.verdict, `drawn in ${judgement.timeline}`).toBe('linearizable');
    expect(judgement.operations).toBeGreaterThan(OPERATIONS_MIN);
    expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(FAULTS_MIN);
    await faulty.cluster.converge(30_000);
  },
  LIMIT_MS,
);
