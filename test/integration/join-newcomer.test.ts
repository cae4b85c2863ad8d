/** Story: a lost node is replaced while a node leads that joined later itself. */
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import type { ClusterNode } from '../harness/cluster.ts';
import { FaultCluster } from '../harness/fault-cluster.ts';

let faulty: FaultCluster;
beforeAll(async () => {
  faulty = await FaultCluster.start({ backends: 1 });
});
afterAll(() => faulty?.[Symbol.asyncDispose]());

/** Removed, wiped, joined again through another node, until it votes. */
async function replace(node: ClusterNode, through: ClusterNode): Promise<void> {
  await node.process.end('SIGKILL');
  // Where it led, its successor first has to hear from who is left: until then a removal could cost the quorum.
  const removed = async (): Promise<boolean> => (await through.call('DELETE', `/v1/members/${node.id}`)).status === 200;
  await waitFor(`the removal of ${node.id}`, removed, { timeoutMs: 20_000, everyMs: 100 });
  rmSync(`${faulty.dataOf(node)}/raft`, { recursive: true, force: true });
  faulty.joinThrough(node, through);
  node.process.start();
  await node.waitReady();
  const votes = async (): Promise<boolean> => {
    const { body } = await through.call('GET', '/v1/members');
    return body.items?.some((item: { id: string; voter: boolean }) => item.id === node.id && item.voter);
  };
  await waitFor(`the vote of ${node.id}`, votes, { timeoutMs: 30_000, everyMs: 50 });
}

it('joins a leader that is not one of the first members', async () => {
  const [n1, n2, n3] = faulty.cluster.nodes as [ClusterNode, ClusterNode, ClusterNode];
  await replace(n2, n1);
  const handOver = async (): Promise<boolean> =>
    (await n1.call('POST', '/v1/leader/transfer', { body: { to: n2.id } })).status === 200;
  await waitFor('n2 to lead', handOver, { timeoutMs: 20_000, everyMs: 100 });
  await replace(n3, n1);
  await faulty.cluster.converge();
});
