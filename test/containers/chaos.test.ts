/**
 * Story: the cluster of docker-compose.yml loses its leader, a follower, a backend and the network, while traffic flows and
 * weights change. Shorter than the story with processes; what is required at the end is the same.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { Compose, composeCommand } from '../harness/compose.ts';
import type { ComposeNode } from '../harness/compose.ts';
import { Traffic } from '../harness/traffic.ts';
import { Writer } from '../harness/writer.ts';

const LEADER_KILLS = 3;
const command = composeCommand();
if (command === null) console.log('no container engine answers here: the container suite is skipped');

describe.skipIf(command === null)('a cluster of containers', () => {
  let cluster: Compose;
  let traffic: Traffic;
  let writer: Writer;

  beforeAll(async () => {
    cluster = new Compose(command ?? []);
    await cluster.compose('down', '--volumes', '--timeout', '1');
    await cluster.compose('build');
    await cluster.compose('up', '--detach');
    await cluster.waitReady();
    const targets = cluster.nodes.map(({ id, webPort }) => ({ id, host: '127.0.0.1', port: webPort }));
    traffic = new Traffic({ targets, pauseMs: 20 }).start();
    writer = new Writer(cluster.nodes, 'b1', 200).start();
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  async function whileDown(node: ComposeNode, down: () => Promise<unknown>, up: () => Promise<unknown>): Promise<void> {
    traffic.markDown(node.id);
    node.isRunning = false;
    await down();
    const before = writer.acknowledgedCount;
    await waitFor('an accepted write', () => writer.acknowledgedCount > before, { timeoutMs: 20_000 });
    await up();
    await cluster.waitReady([node]);
    node.isRunning = true;
    traffic.markUp(node.id);
    noFaults();
  }

  function noFaults(): void {
    const { failed, wrong, faults } = traffic.report();
    expect({ failed, wrong, faults }).toEqual({ failed: 0, wrong: 0, faults: [] });
  }

  const kill = (node: ComposeNode): Promise<void> =>
    whileDown(
      node,
      () => cluster.compose('kill', node.id),
      () => cluster.compose('start', node.id),
    );

  const follower = async (): Promise<ComposeNode> => {
    const leader = await cluster.leader();
    return cluster.nodes.find((node) => node !== leader)!;
  };

  it('asks for the token', async () => {
    const response = await fetch(`http://127.0.0.1:${7401 + 5_000}/v1/members`);
    expect(response.status).toBe(401);
  });

  it('goes on while the leader is killed, again and again', async () => {
    for (let count = 0; count < LEADER_KILLS; count += 1) await kill(await cluster.leader());
  });

  it('goes on while a follower is killed', async () => kill(await follower()));

  it('goes on while a node is cut off from the network, and takes it back', async () => {
    const node = await follower();
    const cutOff = async (): Promise<void> => {
      await cluster.disconnect(node.id);
      const alone = async (): Promise<boolean> => (await cluster.inside(node.id, '/v1/status')).body.quorum === false;
      await waitFor('the node to know that it is alone', alone, { timeoutMs: 30_000 });
      expect((await cluster.inside(node.id, '/v1/pools/api?consistency=local')).status).toBe(200);
      expect((await cluster.inside(node.id, '/v1/pools/api')).status).toBe(503);
    };
    await whileDown(node, cutOff, () => cluster.connect(node.id));
  });

  it('goes on while a backend is killed and comes back', async () => {
    const verdict = async (): Promise<string> => {
      const { body } = await cluster.nodes[0]!.call('GET', '/v1/health');
      return body.items.find((item: { backend: string }) => item.backend === 'b3').verdict as string;
    };
    await cluster.compose('kill', 'b3');
    await waitFor('the verdict down', async () => (await verdict()) === 'down', { timeoutMs: 40_000, everyMs: 100 });
    await cluster.compose('start', 'b3');
    await waitFor('the verdict up', async () => (await verdict()) === 'up', { timeoutMs: 40_000, everyMs: 100 });
    noFaults();
  });

  it('has lost nothing and agrees at the end', async () => {
    const { possible, acknowledged } = await writer.stop();
    const report = await traffic.stop();
    console.log(
      `${acknowledged.length} writes acknowledged;`,
      JSON.stringify({ ...report, faults: report.faults.length }),
    );
    expect(report).toMatchObject({ failed: 0, wrong: 0, faults: [] });
    expect(report.ok).toBeGreaterThan(500);
    const digests = await waitFor('all nodes at one index', async () => {
      const answers = await Promise.all(cluster.nodes.map((node) => node.call('GET', '/v1/status')));
      const indexes = new Set(answers.map(({ body }) => body.appliedIndex as number));
      return indexes.size === 1 ? new Set(answers.map(({ body }) => body.digest as string)) : null;
    });
    expect(digests.size).toBe(1);
    for (const node of cluster.nodes) {
      const { body } = await node.call('GET', '/v1/pools/api/backends/b1?consistency=local');
      expect([...possible]).toContain(body.weight);
    }
  });

  it('stops in order', async () => {
    await cluster.compose('stop');
    const states = await cluster.compose('ps');
    expect(states).not.toMatch(/\bUp\b|running/);
  });
});
