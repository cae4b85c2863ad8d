/** Several who come and go at the same moment, through different nodes: each gets an answer that holds. */
import { afterEach, expect, it } from 'vitest';
import { featureLevel } from '../limits.ts';
import { type Answer, TestCluster, type TestNode } from '../testing/index.ts';

let cluster: TestCluster | null = null;
afterEach(async () => {
  await cluster?.close();
  cluster = null;
});

async function started(): Promise<readonly [leader: TestNode, second: TestNode, third: TestNode]> {
  cluster = new TestCluster();
  const nodes = await cluster.start(3);
  await Promise.all(nodes.map((node) => node.whenReady()));
  const leader = await cluster.leader();
  const [second, third] = nodes.filter((node) => node !== leader);
  return [leader, second!, third!];
}

/** Asks as a node does that joins; nobody listens at its addresses. */
const join = (through: TestNode, id: string, incarnation: string, port: number): Promise<Answer> =>
  through.ask('/v1/members', {
    method: 'POST',
    body: {
      id,
      replica: `${id}#${incarnation}`,
      raft: `127.0.0.1:${port}`,
      api: `127.0.0.1:${port + 1}`,
      featureLevel,
    },
  });

const statuses = (answers: readonly Answer[]): number[] => answers.map(({ status }) => status);

it('two disks of one name that join at the same time: one is taken in, the other is told so', async () => {
  const [leader, second, third] = await started();
  for (const [at, id] of ['n4', 'n5', 'n6'].entries()) {
    const port = 10 + at * 10;
    const answers = await Promise.all([join(second, id, 'aaaa', port), join(third, id, 'bbbb', port + 2)]);
    expect(statuses(answers).sort((a, b) => a - b)).toEqual([200, 409]);
    const winner = answers.findIndex(({ status }) => status === 200);
    const refused = answers[1 - winner]?.body.error;
    expect(refused).toMatchObject({ code: 'CONFLICT', hint: expect.stringContaining(`flotilla members remove ${id}`) });
    const { body } = await leader.ask('/v1/members');
    expect(body.items.filter((row: { id: string }) => row.id === id)).toEqual([
      expect.objectContaining({
        incarnation: ['aaaa', 'bbbb'][winner],
        role: 'learner',
        raft: `127.0.0.1:${port + winner * 2}`,
      }),
    ]);
  }
});

it('members that come and go right after one another wait for each other, also through followers', async () => {
  const [leader, second, third] = await started();
  const ids = ['n4', 'n5', 'n6', 'n7'];
  const through = [leader, second, third, second];
  expect(statuses(await Promise.all(ids.map((id, at) => join(through[at]!, id, 'aaaa', 10 + at * 10))))).toEqual([
    200, 200, 200, 200,
  ]);
  const gone = ids.map((id, at) => through[at]!.ask(`/v1/members/${id}`, { method: 'DELETE' }));
  expect(statuses(await Promise.all(gone))).toEqual([200, 200, 200, 200]);
  const { body } = await leader.ask('/v1/members');
  expect(body.items.map(({ id }: { id: string }) => id).sort()).toEqual(['n1', 'n2', 'n3']);
});
