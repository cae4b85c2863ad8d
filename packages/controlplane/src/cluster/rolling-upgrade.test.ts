/**
 * A rolling upgrade of three control threads over real TCP and disks: what is new waits for the last node, and then no older
 * node is taken in. The older version is this one, told to speak less.
 */
import { encodeKey, newPinKey, PIN_NEEDED } from '@flotilla/shared';
import { waitFor } from '@flotilla/shared/testing';
import { afterEach, expect, it } from 'vitest';
import { featureLevel } from '../limits.ts';
import { TestCluster, type TestNode } from '../testing/index.ts';

const CONFIG = {
  pools: [
    {
      name: 'api',
      affinity: { type: 'header', name: 'x-user', ttlMs: 3_600_000 },
      health: { protocol: 'none' },
      backends: [{ id: 'b1', address: '10.0.0.1:80' }],
    },
  ],
};
const OLD = 1;

let cluster: TestCluster | null = null;
afterEach(async () => {
  await cluster?.close();
  cluster = null;
});

function pin(node: TestNode, user: string): void {
  const key = newPinKey();
  encodeKey('api', user, key);
  const words = Int32Array.from([key.pool, ...key.words, PIN_NEEDED]);
  node.thread.say({ type: 'pin-proposals', words, skipped: 0 });
}

const sessions = async (node: TestNode): Promise<string[]> =>
  (await node.ask('/v1/sessions?pool=api')).body.items.map(({ backend }: { backend: string }) => backend);

it('new commands wait until the last node is upgraded; then an older one cannot join', async () => {
  cluster = new TestCluster({ seedConfig: CONFIG, featureLevel: OLD });
  const nodes = await cluster.start(3);
  await Promise.all(nodes.map((node) => node.whenReady()));
  for (const node of nodes.slice(0, 2)) {
    const upgraded = await cluster.restart(node, { featureLevel });
    await upgraded.whenReady();
  }
  const [first, , last] = cluster.nodes as [TestNode, TestNode, TestNode];
  const levels = async (): Promise<number[]> =>
    (await first.ask('/v1/members')).body.items.map((member: { featureLevel: number }) => member.featureLevel);
  await waitFor(
    'two to announce what they speak',
    async () => (await levels()).join() === `${featureLevel},${featureLevel},${OLD}`,
  );
  await waitFor('the pools', () => first.thread.snapshot?.pools.length === 1);
  pin(first, 'early');
  const refused = await first.ask('/v1/sessions?pool=api', { method: 'DELETE' });
  expect([refused.status, refused.body.error.message]).toEqual([409, expect.stringContaining('feature level')]);
  expect(await sessions(first)).toEqual([]);

  const upgraded = await cluster.restart(last, { featureLevel });
  await upgraded.whenReady();
  await waitFor('the session that waited', async () => (await sessions(upgraded)).join() === 'b1');
  const audit = await upgraded.ask('/v1/audit');
  expect(audit.body.items.map(({ action }: { action: string }) => action)).toContain('features.raise');

  const old = await cluster.join('n4', first);
  await waitFor('the reason', async () =>
    (await old.ask('/ready')).text.includes('speaks feature level 1, the cluster'),
  );
});
