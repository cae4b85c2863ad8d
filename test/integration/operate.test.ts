/** Story: an operator looks at the live table, drains a node to its end, undoes it; and asks the clone to prove itself. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { Cluster } from '../harness/cluster.ts';
import { flotilla } from '../harness/process.ts';

let cluster: Cluster;
const run = (...args: string[]) => {
  const running = cluster.nodes.filter((node) => node.isRunning).map(({ api }) => api);
  return flotilla(args, { env: { FLOTILLA_SERVER: running.join(',') } });
};

beforeAll(async () => {
  cluster = await Cluster.start();
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

it('shows the whole cluster once where there is no terminal', async () => {
  const traffic = cluster.nodes.map((node) => fetch(`http://127.0.0.1:${node.webPort}/`));
  for (const answer of await Promise.all(traffic)) expect(answer.status).toBe(200);
  const { code, stdout, stderr } = await run('top', '--every', '200');
  expect(code, stderr).toBe(0);
  expect(stdout).toContain('3 of 3 nodes ready');
  for (const id of ['n1', 'n2', 'n3']) expect(stdout).toMatch(new RegExp(`${id} +(leader|follower) +yes +yes`));
  for (const id of ['b1', 'b2', 'b3']) expect(stdout).toMatch(new RegExp(`api +${id} +up +100 +\\d`));
});

it('answers what any node says of itself through any other', async () => {
  const { body } = await cluster.node('n1').call('GET', '/v1/members/n3/status');
  expect(body.node.id).toBe('n3');
  expect((await cluster.node('n1').call('GET', '/v1/members/n7/status')).status).toBe(404);
});

it('drains a node, stops it, and takes it back when it is started again', async () => {
  const node = cluster.node('n2');
  const done = await run('drain', 'n2', '--propagation', '200', '--deadline', '2000', '--then-stop');
  expect(done.code, done.stderr).toBe(0);
  expect(done.stdout).toContain('drained');
  expect(await node.process.waitForEnd()).toEqual({ code: 0, signal: null });
  const gone = await cluster.node('n1').call('GET', '/v1/members/n2/status');
  expect([gone.status, gone.body.error.code]).toEqual([503, 'UNREACHABLE']);
  node.process.start();
  await waitFor('n2 to answer', async () => (await node.call('GET', '/ready')).body.reasons.join() === 'draining');
  expect((await run('undrain', 'n2')).code).toBe(0);
  await cluster.countedIn();
});

it('undoes a drain in its first phase, and one that a leader did not live to finish', async () => {
  const leader = await cluster.leader();
  const other = cluster.nodes.find((node) => node !== leader)!;
  expect((await run('drain', other.id, '--propagation', '600000')).code).toBe(0);
  await waitFor('readiness down', async () => !(await other.isReady()));
  expect((await run('undrain', other.id)).code).toBe(0);
  await cluster.countedIn();

  expect((await run('drain', other.id, '--propagation', '1500', '--deadline', '1000')).code).toBe(0);
  await leader.process.end('SIGKILL');
  const phase = async (): Promise<string> =>
    (await other.call('GET', `/v1/members/${other.id}/drain`)).body.phase as string;
  await waitFor('the next leader to finish it', async () => (await phase()) === 'drained', { timeoutMs: 20_000 });
  expect((await run('undrain', other.id)).code).toBe(0);
  leader.process.start();
  await leader.waitReady();
  await cluster.countedIn();
});

it('undoes a drain while connections are being drained, tells how many are left, and breaks none of them', async () => {
  const leader = await cluster.leader();
  const other = cluster.nodes.find((node) => node !== leader)!;
  const slow = fetch(`http://127.0.0.1:${other.webPort}/slow?ms=4000`);
  const path = `/v1/members/${other.id}/drain`;
  const began = await leader.call('PUT', path, { body: { propagationMs: 0, deadlineMs: 60_000 } });
  expect(began.status, JSON.stringify(began.body)).toBe(200);
  await waitFor('what is left', async () => {
    const { body } = await leader.call('GET', path);
    return body.phase === 'draining' && body.connections >= 1;
  });
  expect((await run('undrain', other.id)).code).toBe(0);
  await other.waitReady();
  expect((await slow).status).toBe(200);
  expect((await fetch(`http://127.0.0.1:${other.webPort}/`)).status).toBe(200);
});

it('runs the simulator and lists the benchmarks', async () => {
  const plan = await flotilla(['sim', '--seed', '3', '--plan']);
  expect(plan.code, plan.stderr).toBe(0);
  expect(JSON.parse(plan.stdout)).toMatchObject({ seed: 3 });
  const list = await flotilla(['bench']);
  expect(list.stdout).toMatch(/^raft-commit +\S/m);
  expect((await flotilla(['bench', '../scripts/test'])).code).toBe(64);
});
