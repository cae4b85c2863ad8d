/** Story: the state of one replica becomes another one, which must never happen; it is found, fenced and replaced. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { Cluster, type ClusterNode, targetsOf } from '../harness/cluster.ts';
import { Traffic } from '../harness/traffic.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({
    env: { FLOTILLA_DEBUG: 'diverge' },
    settings: { drainMs: 500 },
  });
  const [node] = cluster.nodes;
  const settings = { drainPropagationMs: 200 };
  const document = (await node!.call('GET', '/v1/config')).body as object;
  await node!.call('PUT', '/v1/config?wait=all', { body: { ...document, settings } });
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

const reasonsOf = async (node: ClusterNode): Promise<string> =>
  ((await node.call('GET', '/ready')).body as { reasons: string[] }).reasons.join();

/** Makes it differ and waits until it says so itself. */
async function fenced(node: ClusterNode): Promise<void> {
  node.process.signal('SIGUSR2');
  await waitFor(`${node.id} to be fenced`, async () => (await reasonsOf(node)).includes('quarantined'), {
    timeoutMs: 10_000,
    everyMs: 20,
  });
}

it('a follower that diverges is fenced, says so, and answers nothing that could be wrong', async () => {
  const leader = await cluster.leader();
  const [odd] = (await cluster.followers()) as [ClusterNode];
  const others = cluster.nodes.filter((node) => node !== odd);
  const traffic = new Traffic({ targets: targetsOf(others) }).start();
  await fenced(odd);
  const read = await odd.call('GET', '/v1/pools/api/backends/b1?consistency=local');
  expect([read.status, read.body.error.code, read.body.error.retry]).toEqual([503, 'QUARANTINED', 'other-node']);
  expect(read.body.error.message).toContain(`flotilla members remove ${odd.id}`);
  const write = await odd.call('PATCH', '/v1/pools/api/backends/b1', { body: { weight: 9 } });
  expect(write.body.error.code).toBe('QUARANTINED');
  const seen = (await leader.call('GET', '/v1/members')).body.items.find(({ id }: { id: string }) => id === odd.id);
  expect(seen).toMatchObject({ alive: true, ready: false, drain: { reason: expect.stringContaining('fenced') } });
  const undo = await leader.call('DELETE', `/v1/members/${odd.id}/drain`);
  expect([undo.status, undo.body.error.code]).toEqual([409, 'CONFLICT']);
  await waitFor('its work to be over', async () => {
    const { body } = await leader.call('GET', `/v1/members/${odd.id}/drain`);
    return body.phase === 'drained';
  });
  const [entry] = (await leader.call('GET', '/v1/audit')).body.items.filter(
    ({ action }: { action: string }) => action === 'member.fence',
  );
  expect(entry).toMatchObject({
    target: odd.id,
    summary: expect.stringMatching(/digest at index \d+ is \w+, not \w+/),
  });
  expect((await leader.call('PATCH', '/v1/pools/api/backends/b1?wait=all', { body: { weight: 50 } })).status).toBe(200);
  expect(await traffic.stop()).toMatchObject({ failed: 0, wrong: 0, faults: [] });
});

it('stays fenced over a restart, and is taken in again with another disk', async () => {
  const leader = await cluster.leader();
  const odd = cluster.nodes.find((node) => node !== leader && !node.isRunning) ?? (await notReady());
  await odd.process.end();
  odd.process.start();
  await waitFor('the fence to hold', async () => (await reasonsOf(odd)).includes('quarantined'), { timeoutMs: 20_000 });
  await odd.process.end();
  rmSync(join(cluster.directory, odd.id), { recursive: true });
  await waitFor('its removal', async () => (await leader.call('DELETE', `/v1/members/${odd.id}`)).status === 200);
  const again = await cluster.addJoining(odd.id, leader);
  again.process.start();
  await again.waitReady();
  (cluster.nodes as ClusterNode[]).splice(cluster.nodes.indexOf(odd), 1);
  await cluster.converge();
});

it('a leader that diverges is fenced by the majority and leads no longer', async () => {
  const leader = await cluster.leader();
  await waitFor('three voters', async () => {
    const { items } = (await leader.call('GET', '/v1/members')).body as { items: { voter: boolean; ready: boolean }[] };
    return items.filter(({ voter, ready }) => voter && ready).length === 3;
  });
  await fenced(leader);
  const others = cluster.nodes.filter((node) => node !== leader);
  await waitFor('another leader', async () => {
    const { body } = await others[0]!.call('GET', '/v1/leader');
    return body.id !== undefined && body.id !== leader.id;
  });
  const written = await waitFor('a write', async () => {
    const answer = await others[0]!.call('PATCH', '/v1/pools/api/backends/b2', { body: { weight: 60 } });
    return answer.status === 200 ? answer : null;
  });
  expect(written.body.changed).toBe(true);
});

async function notReady(): Promise<ClusterNode> {
  for (const node of cluster.nodes) if (!(await node.isReady())) return node;
  throw new Error('no node is fenced');
}
