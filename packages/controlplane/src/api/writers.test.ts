/**
 * A thousand writers at three nodes, each with `If-Match`: one wins each revision, all others are told the current one, and
 * what is left is what the winners wrote.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCluster, type TestNode } from '../testing/index.ts';

const WRITERS_COUNT = 1_000;
const ROUNDS_COUNT = 3;
const DOCUMENT = {
  pools: [{ name: 'api', health: { protocol: 'none' }, backends: [{ id: 'b1', address: '10.0.0.1:80' }] }],
};

let cluster: TestCluster;
let nodes: TestNode[];
beforeAll(async () => {
  cluster = new TestCluster({ seedConfig: DOCUMENT });
  nodes = await cluster.start(3);
  await Promise.all(nodes.map((node) => node.whenReady()));
});
afterAll(() => cluster.close());

const at = (index: number): TestNode => nodes[index % nodes.length] as TestNode;

it('has exactly one winner for each revision', async () => {
  const won: number[] = [];
  let revision = Number(String((await at(0).ask('/v1/config')).headers['etag']).replaceAll('"', ''));
  for (let round = 0; round < ROUNDS_COUNT; round += 1) {
    const answers = await Promise.all(
      Array.from({ length: WRITERS_COUNT }, (_, writer) =>
        at(writer).ask('/v1/pools/api/backends/b1?wait=commit', {
          method: 'PATCH',
          headers: { 'if-match': `"${revision}"` },
          body: { weight: writer % 1_000 },
        }),
      ),
    );
    const winners = answers.flatMap(({ status }, writer) => (status === 200 ? [writer] : []));
    expect(winners).toHaveLength(1);
    const [winner = 0] = winners;
    const next = answers[winner]?.body.revision as number;
    const lost = answers.filter(({ status }) => status !== 200);
    expect(new Set(lost.map(({ status, body }) => `${status} ${body.error.code}`))).toEqual(
      new Set(['412 REVISION_MISMATCH']),
    );
    // A loser is told where it stands now: at what the winner made.
    expect(new Set(lost.map(({ body }) => Number(body.error.details[0].message)))).toEqual(new Set([next]));
    for (const node of nodes) {
      expect((await node.ask('/v1/pools/api/backends/b1')).body.weight).toBe(winner % 1_000);
    }
    won.push(next);
    revision = next;
  }
  const { body } = await at(1).ask('/v1/config/history');
  const made = (body.items as { revision: number }[]).map((item) => item.revision).slice(0, ROUNDS_COUNT);
  expect(made).toEqual(won.reverse());
}, 60_000);
