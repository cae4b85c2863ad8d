/** Story: the control thread of every node crashes in turn; the proxy threads do not notice. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { Cluster, targetsOf } from '../harness/cluster.ts';
import { Traffic } from '../harness/traffic.ts';

/** Tells an answer from a hang on a busy machine. What is promised is 5 s: measured in docs/failure-modes.md. */
const BACK_WITHIN_MS = 30_000;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ env: { FLOTILLA_DEBUG: '1' } });
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

it('serves without a control thread, and has a new one soon', async () => {
  const traffic = new Traffic({ targets: targetsOf(cluster.nodes) }).start();
  for (const node of cluster.nodes) {
    const { startedAt } = (await node.call('GET', '/v1/status')).body.node;
    node.process.signal('SIGUSR2');
    await node.process.waitForOutput('thread crashed');
    const back = async (): Promise<boolean> =>
      (await node.isReady()) && (await node.call('GET', '/v1/status')).body.node.startedAt !== startedAt;
    await waitFor(`${node.id} to have a new control thread`, back, { timeoutMs: BACK_WITHIN_MS });
    const written = await node.call('PATCH', '/v1/pools/api/backends/b1?wait=all', { body: { weight: 55 } });
    expect(written.status).toBe(200);
  }
  expect(await traffic.stop()).toMatchObject({ failed: 0, wrong: 0, faults: [] });
  await cluster.converge();
});
