/**
 * Story: ten thousand sessions on three nodes. Whichever node a client asks, it meets its backend, while backends come and go,
 * weights change, a node dies and returns.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { Cluster, targetsOf } from '../harness/cluster.ts';
import type { ClusterNode } from '../harness/cluster.ts';
import { SessionClients } from '../harness/sessions.ts';

const CLIENTS = 10_000;
const UNSEEN = 300;
const HEADER = 'x-user';
const POOL = {
  affinity: { type: 'header', name: HEADER, ttlMs: 3_600_000 },
  // Patient: a busy machine must not pass for a sick backend.
  health: { intervalMs: 1_000, timeoutMs: 1_000, unhealthyAfter: 3 },
};

let cluster: Cluster;
let clients: SessionClients;
let nodes: readonly ClusterNode[];

beforeAll(async () => {
  cluster = await Cluster.start({ backends: 5, pool: POOL });
  ({ nodes } = cluster);
  clients = new SessionClients({ count: CLIENTS, header: HEADER, targets: targetsOf(nodes) });
});
afterAll(async () => {
  clients?.close();
  await cluster?.[Symbol.asyncDispose]();
});

async function pinsOf(node: ClusterNode): Promise<number> {
  const { body } = await node.call('GET', '/metrics');
  return Number(/^flotilla_pins\{pool="api"\} (\d+)$/m.exec(body as string)?.[1]);
}

async function skippedOf(node: ClusterNode): Promise<number> {
  const { body } = await node.call('GET', '/metrics');
  return Number(/^flotilla_pins_skipped_total (\d+)$/m.exec(body as string)?.[1]);
}

/** On every node. `again`: what skipped sessions need to be pinned after all. */
async function whenPinned(count: number, again: () => Promise<void>): Promise<void> {
  const look = async (): Promise<boolean> => {
    const pins = await Promise.all(nodes.map(pinsOf));
    if (pins.every((each) => each === count)) return true;
    if ((await Promise.all(nodes.map(skippedOf))).some((skipped) => skipped > 0)) await again();
    throw new Error(pins.join(' '));
  };
  await waitFor(`${count} pins on every node`, look, { timeoutMs: 60_000, everyMs: 100 });
}

/** All sessions, page by page. */
async function sessionsOf(node: ClusterNode): Promise<{ readonly key: string; readonly backend: string }[]> {
  const all: { key: string; backend: string }[] = [];
  let cursor = '';
  do {
    const { body, status } = await node.call('GET', `/v1/sessions?pool=api&limit=4000&cursor=${cursor}`);
    expect(status).toBe(200);
    all.push(...body.items);
    cursor = body.cursor ?? '';
  } while (cursor !== '');
  return all;
}

async function change(method: string, path: string, body?: unknown): Promise<void> {
  const [node] = nodes;
  const answer = await node!.call(method, `/v1/pools/api/backends/${path}`, body === undefined ? {} : { body });
  expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
}

async function verdictEverywhere(backend: string, verdict: string): Promise<void> {
  await waitFor(`${backend} to be ${verdict}`, async () => {
    const answers = await Promise.all(nodes.map((node) => node.call('GET', '/v1/health?consistency=local')));
    return answers.every(
      ({ body }) => body.items.find((item: { backend: string }) => item.backend === backend)?.verdict === verdict,
    );
  });
}

const unseen = async (): Promise<void> => {
  const targets = targetsOf(nodes);
  const spread = new Set<string>();
  for (let key = 0; key < UNSEEN; key += 1) {
    const answers = await Promise.all(targets.map((target) => clients.answer(target, `unseen-${key}`)));
    expect(new Set(answers).size, `unseen-${key}: ${answers.join(' ')}`).toBe(1);
    spread.add(answers[0]!);
  }
  expect([...spread].sort()).toEqual(['b1', 'b2', 'b3', 'b4', 'b5']);
};

it('nodes that are asked at once for a session that nobody knows give the same answer', async () => {
  await unseen();
  await whenPinned(UNSEEN, unseen);
});

it('no client strays while weights, backends and nodes change', async () => {
  await clients.round(0);
  await whenPinned(CLIENTS + UNSEEN, () => clients.round(0));

  // Weights and states, while they ask: nobody has to move.
  const weights = clients.round(1);
  await change('PATCH', 'b1', { weight: 1 });
  await change('PATCH', 'b2', { weight: 900 });
  await change('PATCH', 'b3', { state: 'draining' });
  await change('PATCH', 'b4', { weight: 0 });
  await weights;
  expect(clients.strays).toEqual([]);

  // A backend leaves and another comes: only its clients move, and once.
  const gone = new Set<string>();
  const membership = clients.round(2, (backend) => gone.has(backend));
  gone.add('b5');
  await change('DELETE', 'b5');
  await membership;
  await clients.round(3, (backend) => gone.has(backend));
  const { port } = cluster.backends[4]!;
  await change('PUT', 'b6', { id: 'b6', address: `127.0.0.1:${port}`, weight: 300 });
  await clients.round(4);
  expect(clients.strays).toEqual([]);

  // A backend that is down gives its sessions up; when it is back, they stay where they went.
  gone.add('b2');
  const { port: sick } = cluster.backends[1]!;
  await fetch(`http://127.0.0.1:${sick}/fail`, { method: 'POST' });
  await verdictEverywhere('b2', 'down');
  await clients.round(5, (backend) => gone.has(backend));
  await waitFor('the moves in the table', async () => {
    const listed = await sessionsOf(nodes[2]!);
    const astray = listed.filter(({ key, backend }) => key.startsWith('client-') && backend === 'b2');
    if (astray.length > 0) throw new Error(`${astray.length} are still with b2`);
    return true;
  });
  await fetch(`http://127.0.0.1:${sick}/recover`, { method: 'POST' });
  await verdictEverywhere('b2', 'up');
  gone.clear();
  await clients.round(6);
  expect(clients.strays).toEqual([]);
  expect(clients.failedCount).toBe(0);
});

it('nor when a node is killed and comes back', async () => {
  const victim = await cluster.leader();
  const others = nodes.filter((node) => node !== victim);
  const dying = clients.round(7);
  await victim.process.end('SIGKILL');
  clients.targets = targetsOf(others);
  await dying;
  await change('PATCH', 'b1', { weight: 700 }).catch(() => undefined);
  await clients.round(8);
  victim.process.start();
  await victim.waitReady();
  clients.targets = targetsOf(nodes);
  await clients.round(9);
  await clients.round(10);
  expect({ strays: clients.strays, count: clients.strayCount }).toEqual({ strays: [], count: 0 });
  expect(await pinsOf(victim)).toBe(await pinsOf(others[0]!));
  await cluster.converge();
});

it('lists, explains and unpins sessions through any node', async () => {
  const [first, second, third] = nodes as [ClusterNode, ClusterNode, ClusterNode];
  const home = clients.homes.get(42);
  const path = '/v1/sessions/api/client-42';
  expect((await first.call('GET', path)).body).toMatchObject({ pool: 'api', key: 'client-42', backend: home });
  const explained = await second.call('GET', `/v1/explain?listener=web&header=${HEADER}:client-42`);
  expect(explained.body.pools[0]).toMatchObject({ pin: home, choice: home, deterministic: true });
  const listed = (await sessionsOf(third)).length;
  // Those of the backend that was removed are dead, and swept bit by bit.
  expect(listed).toBeGreaterThanOrEqual(CLIENTS);
  expect(listed).toBeLessThanOrEqual(await pinsOf(first));
  expect((await third.call('DELETE', path)).status).toBe(200);
  expect((await first.call('GET', path)).status).toBe(404);
  expect((await first.call('DELETE', path)).status).toBe(404);
  const cleared = await first.call('DELETE', '/v1/sessions?pool=api&backend=b3');
  expect(cleared.status, JSON.stringify(cleared.body)).toBe(200);
  const { body } = await second.call('GET', '/v1/sessions?pool=api&limit=10000');
  expect(body.items.some((item: { backend: string }) => item.backend === 'b3')).toBe(false);
});
