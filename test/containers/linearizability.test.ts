/**
 * Story: the cluster of docker-compose.yml under faults that come upon each other, while clients read, write, compare-and-set
 * and count through any container. What they saw must be what one copy, changed by one client after the other, could answer.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { runCombined } from '../chaos/schedule.ts';
import { Compose, composeCommand } from '../harness/compose.ts';
import type { ComposeDocument } from '../harness/compose.ts';
import { SeededRandom } from '../harness/random.ts';
import { chaosSeconds, OPERATIONS_MIN, SEED, Story } from '../linearizability/story.ts';
import { CONTAINER_FAULTS, ContainerLab, VISITOR } from './faults.ts';

const seconds = chaosSeconds(40);
/** An engine that is busy takes seconds for what a process does at once. */
const FAULTS_MIN = 3;
/** Building, starting, healing and judging take their time besides. */
const LIMIT_MS = seconds * 1_000 + 240_000;

const command = composeCommand();
if (command === null) console.log('no container engine answers here: the container suite is skipped');

/** A fourth node that joins by itself when it is started. */
function withVisitor({ services }: ComposeDocument): void {
  const { environment, ...rest } = services['n3']!;
  const { FLOTILLA_PEERS: _peers, ...own } = environment ?? {};
  const joining = {
    FLOTILLA_NODE_ID: VISITOR,
    FLOTILLA_API_ADVERTISE: `${VISITOR}:7400`,
    FLOTILLA_RAFT_ADVERTISE: `${VISITOR}:7500`,
    FLOTILLA_JOIN: 'n1:7400',
  };
  services[VISITOR] = { ...rest, ports: [], volumes: ['/var/lib/flotilla'], environment: { ...own, ...joining } };
}

describe.skipIf(command === null)('a cluster of containers', () => {
  let lab: ContainerLab;
  let compose: Compose;

  beforeAll(async () => {
    lab = new ContainerLab();
    compose = new Compose(command ?? [], (document) => {
      withVisitor(document);
      lab.prepare(document, ['n1', 'n2', 'n3']);
    });
    await compose.compose('down', '--volumes', '--timeout', '1');
    await compose.compose('build');
    await compose.compose('up', '--detach', 'n1', 'n2', 'n3', 'b1', 'b2', 'b3');
    await compose.waitReady();
  });
  afterAll(async () => {
    await compose?.[Symbol.asyncDispose]();
    lab?.close();
  });

  it(
    `is linearizable under faults combined (seed ${SEED})`,
    async () => {
      const story = await Story.start(compose.nodes);
      const counts = await runCombined(
        { compose, lab, random: new SeededRandom(SEED) },
        { untilMs: performance.now() + seconds * 1_000, atOnce: 2, nodes: compose.nodes, faults: CONTAINER_FAULTS },
      );
      await compose.waitReady();
      const end = await story.end(counts, lab.missing);
      expect(end.faults).toEqual([]);
      expect(end.verdict, `drawn in ${end.timeline}`).toBe('linearizable');
      expect(end.operations).toBeGreaterThan(OPERATIONS_MIN);
      expect(end.injected).toBeGreaterThanOrEqual(FAULTS_MIN);
      await waitFor(
        'equal digests at one index',
        async () => {
          const states = await Promise.all(compose.nodes.map(({ call }) => call('GET', '/v1/status')));
          const indexes = new Set(states.map((state) => state.body.appliedIndex as number));
          return indexes.size === 1 && new Set(states.map((state) => state.body.digest as string)).size === 1;
        },
        { timeoutMs: 60_000, everyMs: 50 },
      );
    },
    LIMIT_MS,
  );
});
