/** Pins of three control threads over real TCP and disks: one truth, in the memory that each node's proxy threads read. */
import { encodeKey, newPinKey, PIN_NEEDED, PinReader } from '@flotilla/shared';
import { waitFor } from '@flotilla/shared/testing';
import { afterEach, expect, it } from 'vitest';
import { TestCluster, type TestNode } from '../testing/index.ts';

const CONFIG = {
  pools: [
    {
      name: 'api',
      affinity: { type: 'header', name: 'x-user', ttlMs: 3_600_000 },
      health: { protocol: 'none' },
      backends: [1, 2, 3].map((at) => ({ id: `b${at}`, address: `10.0.0.${at}:80` })),
    },
  ],
};

let cluster: TestCluster | null = null;
afterEach(async () => {
  await cluster?.close();
  cluster = null;
});

async function started(): Promise<readonly [TestNode, TestNode, TestNode]> {
  cluster = new TestCluster({ seedConfig: CONFIG });
  const nodes = await cluster.start(3);
  await Promise.all(nodes.map((node) => node.whenReady()));
  await waitFor('the pools', () => nodes.every((node) => node.thread.snapshot?.pools.length === 1));
  return nodes as [TestNode, TestNode, TestNode];
}

/** A proxy thread of the node wants these sessions pinned to that slot. */
function propose(node: TestNode, users: readonly string[], slot: number): void {
  const key = newPinKey();
  const words = users.flatMap((user) => {
    encodeKey('api', user, key);
    return [key.pool, ...key.words, slot];
  });
  node.thread.say({ type: 'pin-proposals', words: Int32Array.from(words), skipped: 0 });
}

/** What the node's proxy threads read. */
function pinned(node: TestNode, user: string): number | null {
  const { pins, snapshot } = node.thread;
  if (pins === null || snapshot === null) return null;
  return new PinReader(pins).get('api', user, Math.floor(snapshot.logTimeMs / 1_000))?.backend ?? null;
}

const users = Array.from({ length: 200 }, (_, at) => `user-${at}`);

it('two nodes that propose different backends at once come to one of them, everywhere, for ever', async () => {
  const nodes = await started();
  propose(nodes[0], users, 0);
  propose(nodes[1], users, 1 | PIN_NEEDED);
  await waitFor('all pins everywhere', () => nodes.every((node) => users.every((user) => pinned(node, user) !== null)));
  const first = users.map((user) => pinned(nodes[0], user));
  propose(nodes[2], users, 2);
  propose(nodes[2], ['later'], 2);
  await waitFor('the later one everywhere', () => nodes.every((node) => pinned(node, 'later') === 2));
  for (const node of nodes) expect(users.map((user) => pinned(node, user))).toEqual(first);
  const metrics = await nodes[1].ask('/metrics');
  expect(metrics.text).toContain('flotilla_pins{pool="api"} 201');
  expect(metrics.text).toContain('flotilla_pins_skipped_total 0');
});

it('the API lists, finds and takes away, through any node', async () => {
  const nodes = await started();
  propose(nodes[0], users, 0);
  const long = 'a session key of more than fifteen bytes / with a slash';
  propose(nodes[1], [long], 1);
  const total = users.length + 1;
  const page = (node: TestNode, query: string) => node.ask(`/v1/sessions?pool=api${query}`);
  await waitFor('all sessions', async () => (await page(nodes[2], '&limit=1000')).body.items.length === total);
  const first = (await page(nodes[2], '&limit=150')).body;
  const second = (await page(nodes[1], `&limit=150&cursor=${first.cursor}`)).body;
  expect([first.items.length, second.items.length, second.cursor]).toEqual([150, total - 150, null]);
  expect(new Set([...first.items, ...second.items].map(({ key }) => key)).size).toBe(total);
  expect((await page(nodes[0], '&cursor=xyz')).status).toBe(400);
  expect((await nodes[0].ask('/v1/sessions?pool=none')).body.items).toEqual([]);

  const path = `/v1/sessions/api/${encodeURIComponent(long)}`;
  const found = (await nodes[2].ask(path)).body;
  expect(found).toMatchObject({ pool: 'api', backend: 'b2', key: expect.stringMatching(/^#[0-9a-f]{30}$/) });
  expect(found.expiresAt).toBeGreaterThan(found.revision);
  const shown = `/v1/sessions/api/${encodeURIComponent(found.key)}`;
  expect((await nodes[0].ask(shown)).body).toEqual(found);
  expect((await nodes[0].ask(shown, { method: 'DELETE' })).status).toBe(200);
  expect((await nodes[1].ask(path)).body.error.code).toBe('NOT_FOUND');
  expect((await nodes[1].ask(path, { method: 'DELETE' })).body.error.code).toBe('NOT_FOUND');
  const audit = await nodes[1].ask('/v1/audit');
  expect(audit.body.items[0]).toMatchObject({ action: 'pins.delete', summary: 'unpinned' });

  expect((await nodes[0].ask('/v1/sessions?pool=api&backend=b1', { method: 'DELETE' })).status).toBe(200);
  expect((await page(nodes[0], '')).body.items).toEqual([]);
  expect((await nodes[0].ask('/v1/sessions?pool=none', { method: 'DELETE' })).status).toBe(404);
});

it('a node that starts again has the pins before it serves', async () => {
  const nodes = await started();
  propose(nodes[0], users, 2);
  await waitFor('all pins everywhere', () => nodes.every((node) => users.every((user) => pinned(node, user) === 2)));
  const again = await cluster!.restart(nodes[1]);
  await again.whenReady();
  const kinds = await waitFor('a snapshot', () => {
    const types = again.thread.messages.map(({ type }) => type);
    return types.includes('snapshot') ? types : null;
  });
  expect(kinds.indexOf('pins')).toBeLessThan(kinds.indexOf('snapshot'));
  expect(users.map((user) => pinned(again, user))).toEqual(users.map(() => 2));
});
