/** The leader's duties among each other. */
import { waitFor } from '@flotilla/shared/testing';
import { afterEach, expect, it } from 'vitest';
import { TestCluster } from '../testing/index.ts';

let cluster: TestCluster | null = null;
afterEach(async () => cluster?.close());

it('a duty that fails every time does not hold up the others: log time goes on', async () => {
  // No such document can be written down.
  cluster = new TestCluster({ seedConfig: { listeners: 1n } });
  const [node] = await cluster.start(1);
  await cluster.leader();
  const applied = async (): Promise<number> => (await node?.ask('/v1/status'))?.body.appliedIndex;
  const before = await applied();
  // More than the first entries of a term, announcements and reports: ticks.
  await waitFor('two more seconds of log time', async () => (await applied()) >= before + 6, { timeoutMs: 12_000 });
  expect((await node?.ask('/v1/config'))?.body.listeners).toEqual([]);
});
