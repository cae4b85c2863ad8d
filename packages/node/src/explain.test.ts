/**
 * One answer everywhere: replicas that came to the same log index in different ways explain any request alike, after any
 * history of configurations, weights, observations, drains and pins.
 */
import { ClusterStateMachine, compileRouting, readSession, type ReadonlyState } from '@flotilla/controlplane/state';
import { step, TEST_PINS_MAX_COUNT, TestLog, WORLD } from '@flotilla/controlplane/testing';
import { explain } from '@flotilla/dataplane/table';
import fc from 'fast-check';
import { expect, it } from 'vitest';

const EMPTY_CONF = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
const HASHING = ['rendezvous', 'maglev', 'round-robin'] as const;

const request = fc.record({
  listener: fc.constantFrom('l1', 'l2'),
  method: fc.constantFrom('GET', 'POST'),
  host: fc.constantFrom('', 'example.com', 'a.example.com:8080'),
  path: fc.constantFrom('/', '/api/x?user=1', '/other'),
  // As the pins of the small world are keyed.
  clientIp: fc.nat(30).map((n) => `client-${n}`),
  headers: fc.array(
    fc.record({ name: fc.constantFrom('x-user', 'cookie'), value: fc.nat(30).map((n) => `client-${n}`) }),
    { maxLength: 2 },
  ),
});

/** As the API does it. */
function answer(state: ReadonlyState, asked: Parameters<typeof explain>[1]): string {
  const pinOf = (pool: string, key: string) => readSession(state, pool, key)?.backend ?? null;
  return JSON.stringify(explain(compileRouting(state), { ...asked, pinOf }));
}

function played(log: TestLog, sizes: readonly number[]): ClusterStateMachine {
  const machine = new ClusterStateMachine({ pinsMaxCount: TEST_PINS_MAX_COUNT });
  for (let at = 0, turn = 0; at < log.entries.length; turn++) {
    const count = sizes[turn % sizes.length] ?? 1;
    machine.apply(log.entries.slice(at, at + count));
    at += count;
  }
  return machine;
}

/** By way of another node's snapshot, taken somewhere in the middle. */
async function joined(log: TestLog, at: number): Promise<ClusterStateMachine> {
  const half = new ClusterStateMachine({ pinsMaxCount: TEST_PINS_MAX_COUNT });
  half.apply(log.entries.slice(0, at));
  const { sizeBytes, digest, chunks } = half.capture();
  const machine = new ClusterStateMachine({ pinsMaxCount: TEST_PINS_MAX_COUNT });
  await machine.restore({ index: half.state.meta.index, term: 1, conf: EMPTY_CONF, digest, sizeBytes }, chunks);
  machine.apply(log.entries.slice(at));
  return machine;
}

it('any request is explained alike on every replica at the same index', async () => {
  let decided = 0;
  let pinned = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 50, size: 'max' }),
      fc.array(request, { minLength: 10, maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
      fc.record({ at: fc.nat(), algorithm: fc.constantFrom(...HASHING) }),
      async (steps, requests, sizes, { at, algorithm }) => {
        const log = new TestLog();
        for (const command of WORLD) log.run(command);
        log.run({ type: 'resource.patch', kind: 'pool', name: 'api', patch: { algorithm } });
        for (const { command, waitMs } of steps) {
          log.pass(waitMs);
          log.run(command);
        }
        const replicas = [played(log, [1]), played(log, sizes), await joined(log, 1 + (at % log.entries.length))];
        for (const one of requests) {
          const answers = replicas.map((machine) => answer(machine.state, one));
          expect(new Set(answers).size, answers.join('\n')).toBe(1);
          if (/"choice":"/.test(answers[0] ?? '')) decided++;
          if (/"pin":"/.test(answers[0] ?? '')) pinned++;
        }
      },
    ),
    // A fixed seed: what it reaches, and the counts below, are the same each time.
    { numRuns: 120, seed: 42 },
  );
  // Otherwise it would have compared nothing but refusals.
  expect(decided).toBeGreaterThan(100);
  expect(pinned).toBeGreaterThan(0);
}, 60_000);
