/**
 * Story: two of three disks are lost for good. The survivor refuses writes until an operator makes a new cluster of it; nothing
 * that it held is missing, the former members are strangers, and wiped they join.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { Cluster } from '../harness/cluster.ts';
import type { ClusterNode } from '../harness/cluster.ts';
import { flotilla } from '../harness/process.ts';

let cluster: Cluster;
let survivor: ClusterNode;
beforeAll(async () => {
  cluster = await Cluster.start({ backends: 1 });
  survivor = cluster.node('n1');
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

const weight = async (node: ClusterNode): Promise<number> =>
  (await node.call('GET', '/v1/pools/api/backends/b1')).body.weight as number;
const data = (): string => join(cluster.directory, 'n1');

it('refuses without the confirmation, and a directory that is in use', async () => {
  const asked = await flotilla(['recover', '--data', data()]);
  expect(asked.code).toBe(64);
  expect(asked.stderr).toContain('--yes-i-lost-the-quorum');
  const used = await flotilla(['recover', '--data', data(), '--yes-i-lost-the-quorum']);
  expect(used.code, used.stderr).toBe(74);
  expect(used.stderr).toContain('in use by another process');
  expect(await survivor.isReady()).toBe(true);
});

it('makes a new cluster of the survivor, with everything that it held', async () => {
  const written = await survivor.call('PATCH', '/v1/pools/api/backends/b1?wait=all', { body: { weight: 61 } });
  expect(written.status).toBe(200);
  const history = (await survivor.call('GET', '/v1/config/history')).body.items as object[];
  for (const id of ['n2', 'n3']) await cluster.node(id).process.end('SIGKILL');
  rmSync(join(cluster.directory, 'n3'), { recursive: true });
  const refused = await survivor.call('PATCH', '/v1/pools/api/backends/b1', { body: { weight: 1 }, timeoutMs: 20_000 });
  expect(refused.status).toBe(503);
  await survivor.process.end('SIGKILL');
  const done = await flotilla(['recover', '--data', data(), '--yes-i-lost-the-quorum']);
  expect(done.code, done.stderr).toBe(0);
  expect(done.stdout).toContain('n1 is a cluster of its own now');
  expect(done.stderr).toContain('n2, n3: stop it, move its data directory away');
  survivor.process.start();
  await survivor.waitReady();
  expect(await weight(survivor)).toBe(61);
  expect((await survivor.call('GET', '/v1/config/history')).body.items).toEqual(history);
  const { body } = await survivor.call('GET', '/v1/members');
  expect(body.items.map(({ id }: { id: string }) => id)).toEqual(['n1']);
  expect((await survivor.call('PATCH', '/v1/pools/api/backends/b1', { body: { weight: 62 } })).status).toBe(200);
});

it('stays apart from a former member that comes back with its old disk', async () => {
  const former = cluster.node('n2');
  former.process.start();
  await former.process.waitForOutput('WRONG_CLUSTER');
  await waitFor('n2 without a quorum', async () => !(await former.status()).quorum);
  expect((await survivor.call('PATCH', '/v1/pools/api/backends/b1', { body: { weight: 63 } })).status).toBe(200);
  await former.process.end('SIGKILL');
});

it('takes the former members in when they are wiped and join', async () => {
  rmSync(join(cluster.directory, 'n2'), { recursive: true });
  const joined = [await cluster.addJoining('n2', survivor), await cluster.addJoining('n3', survivor)];
  for (const node of joined) node.process.start();
  for (const node of joined) await node.waitReady();
  await waitFor('three voters', async () => {
    const { body } = await survivor.call('GET', '/v1/members');
    return body.items.filter(({ voter }: { voter: boolean }) => voter).length === 3;
  });
  for (const node of joined) expect(await weight(node)).toBe(63);
  await survivor.process.end('SIGKILL');
  await waitFor(
    'a write without the survivor',
    async () => (await joined[0]!.call('PATCH', '/v1/pools/api/backends/b1', { body: { weight: 64 } })).status === 200,
    { timeoutMs: 20_000 },
  );
});
