/**
 * Story: a node is down while the membership moves on so far that it does not know the present leader. When it is back, the
 * leader is the only one who can tell it; it must not be refused as a stranger.
 */
import { waitFor } from '@flotilla/shared/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Cluster } from '../harness/cluster.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: 3, backends: 1 });
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

it('a node that slept through a replacement follows a leader of whom it never heard', async () => {
  const [n1, n2, n3] = cluster.nodes;
  await n3!.process.end('SIGKILL');

  const n4 = await cluster.addJoining('n4', n1!);
  n4.process.start();
  await n4.waitReady();
  const isVoter = async (): Promise<boolean> => {
    const { body } = await n1!.call('GET', '/v1/members');
    return body.items.some((item: { id: string; voter: boolean }) => item.id === 'n4' && item.voter);
  };
  await waitFor('n4 to have a vote', isVoter, { timeoutMs: 30_000 });
  const removed = await n1!.call('DELETE', '/v1/members/n2');
  expect(removed.status, JSON.stringify(removed.body)).toBe(200);
  await n2!.process.end('SIGKILL');

  const leads = async (): Promise<boolean> => {
    await n1!.call('POST', '/v1/leader/transfer', { body: { to: 'n4' } });
    return (await n4.status()).role === 'leader';
  };
  await waitFor('n4 to lead', leads, { timeoutMs: 30_000, everyMs: 200 });
  n3!.process.start();
  await n3!.waitReady();
  expect((await n3!.status()).leader?.id).toBe('n4');
  const write = await n3!.call('PATCH', '/v1/pools/api/backends/b1', { body: { weight: 7 } });
  expect(write.status).toBe(200);
});
