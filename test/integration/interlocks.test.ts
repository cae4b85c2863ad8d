/**
 * Story: somebody takes a node away in the very moment when another one dies. The log still counts the dead one as alive; the
 * interlocks ask.
 */
import { afterEach, expect, it } from 'vitest';
import { Cluster, type ClusterNode } from '../harness/cluster.ts';

let cluster: Cluster | null = null;
afterEach(async () => {
  await cluster?.[Symbol.asyncDispose]();
  cluster = null;
});

async function started(): Promise<readonly [leader: ClusterNode, second: ClusterNode, third: ClusterNode]> {
  cluster = await Cluster.start({ backends: 1 });
  const leader = await cluster.leader();
  const [second, third] = (await cluster.followers()) as [ClusterNode, ClusterNode];
  return [leader, second, third];
}

const aliveAt = async (node: ClusterNode, id: string): Promise<boolean> =>
  (await node.call('GET', '/v1/members?consistency=local')).body.items.find((one: { id: string }) => one.id === id)
    .alive;

it('a removal right after a death is refused, through the leader and through a follower', async () => {
  const [leader, second, third] = await started();
  await third.process.end('SIGKILL');
  const [direct, passedOn] = await Promise.all([
    leader.call('DELETE', `/v1/members/${second.id}`),
    second.call('DELETE', `/v1/members/${leader.id}`),
  ]);
  for (const answer of [direct, passedOn]) {
    expect([answer.status, answer.body.error.code]).toEqual([409, 'CONFLICT']);
    expect(answer.body.error.message).toContain('only 1 of 2 voters would be alive');
  }
  expect((await leader.call('PATCH', '/v1/pools/api/backends/b1', { body: { weight: 8 } })).status).toBe(200);
});

it('so it is where the other one hangs, which nobody has noticed yet', async () => {
  const [leader, second, third] = await started();
  third.process.signal('SIGSTOP');
  try {
    expect(await aliveAt(leader, third.id)).toBe(true);
    const answer = await leader.call('DELETE', `/v1/members/${second.id}`);
    expect([answer.status, answer.body.error.code]).toEqual([409, 'CONFLICT']);
  } finally {
    third.process.signal('SIGCONT');
  }
});

it('a drain right after a death is refused, unless forced', async () => {
  const [leader, second, third] = await started();
  await third.process.end('SIGKILL');
  const path = `/v1/members/${second.id}/drain`;
  const refused = await leader.call('PUT', path);
  expect([refused.status, refused.body.error.code]).toEqual([409, 'CONFLICT']);
  expect(refused.body.error.message).toContain('1 of 3 members would be left');
  expect((await leader.call('GET', path)).status).toBe(404);
  expect((await leader.call('PUT', `${path}?force=true`)).status).toBe(200);
  expect((await leader.call('DELETE', path)).status).toBe(200);
});
