/** Whole nodes over real TCP and LevelDB in one process. */
import { afterEach, expect, test } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { RecordingMachine } from '../testing/recording-machine.ts';
import { LevelStorage } from '../storage/level-storage.ts';
import { TestCluster } from '../testing/cluster.ts';
import { TRANSFER_TIMEOUT_MS } from './limits.ts';
import type { RaftNode } from './raft-node.ts';

let cluster: TestCluster | null = null;

afterEach(async () => {
  await cluster?.close();
  cluster = null;
});

async function start(
  options: Partial<Parameters<typeof TestCluster.start<RecordingMachine>>[0]> = {},
): Promise<TestCluster> {
  cluster = await TestCluster.start({ names: ['n1', 'n2', 'n3'], machine: () => new RecordingMachine(), ...options });
  return cluster;
}

const bytes = (text: string): Buffer => Buffer.from(text);

test('three nodes form a cluster, elect a leader and commit from every node', async () => {
  const c = await start();
  const leader = await c.leader();
  for (const { node, name } of c.running) {
    const { result } = await node.propose(bytes(`from ${name}`));
    expect(result).toBeTypeOf('number');
  }
  await c.converged();
  expect([...leader.machine.commands].sort()).toEqual(['from n1', 'from n2', 'from n3']);
});

test('reads through any node see what was acknowledged before', async () => {
  const c = await start();
  const follower = await c.follower();
  const leader = await c.leader();
  const { index } = await leader.node.propose(bytes('seen'));
  const at = await follower.node.readIndex();
  expect(at).toBeGreaterThanOrEqual(index);
  expect(follower.node.status().applied).toBeGreaterThanOrEqual(at);
  expect(follower.machine.commands).toContain('seen');
});

test('a killed leader is replaced at once and nothing acknowledged is lost', async () => {
  const c = await start();
  const acknowledged: string[] = [];
  for (let round = 0; round < 3; round++) {
    const leader = await c.leader();
    for (let i = 0; i < 20; i++) {
      const command = `${round}/${i}`;
      await leader.node.propose(bytes(command));
      acknowledged.push(command);
    }
    await c.kill(leader.name);
    await c.leader();
    const survivor = c.running[0];
    await survivor?.node.propose(bytes(`${round}/after`));
    acknowledged.push(`${round}/after`);
    await c.startMember(leader.name);
  }
  await c.leader();
  await c.converged();
  for (const { machine } of c.running) expect(machine.commands).toEqual(acknowledged);
});

test('every node tells its checkpoints: the same digests at the same indexes', async () => {
  const c = await start({ digestEvery: 4 });
  const told = c.running.map(({ node }) => {
    const digests = new Map<number, string>();
    node.on('checkpoint', ({ index, digest }) => digests.set(index, digest));
    return digests;
  });
  const leader = await c.leader();
  for (let count = 0; count < 40; count++) await leader.node.propose(bytes(`${count}`));
  await c.converged();
  const [first = new Map<number, string>(), ...others] = told.map(
    (digests) => new Map([...digests].filter(([index]) => index % 4 === 0)),
  );
  expect(first.size).toBeGreaterThanOrEqual(9);
  for (const other of others) expect(other).toEqual(first);
});

test('a node that was away for long catches up by a snapshot', async () => {
  const c = await start({ snapshots: { everyEntries: 50, trailingEntries: 5 }, digestEvery: 16 });
  const away = await c.follower();
  await c.kill(away.name);
  const leader = await c.leader();
  for (let i = 0; i < 40; i++) {
    await Promise.all(Array.from({ length: 10 }, (_, j) => leader.node.propose(bytes(`${i}/${j}`))));
  }
  await waitFor('a compacted log', () => leader.node.status().firstIndex > 100);
  const back = await c.startMember(away.name);
  await c.converged();
  expect(back.machine.commands).toHaveLength(400);
  expect(back.node.status().snapshotIndex).toBeGreaterThan(100);
  // It goes on from there, and still knows everything after a restart.
  await back.node.propose(bytes('last'));
  await c.kill(back.name);
  const again = await c.startMember(away.name);
  await c.converged();
  expect(again.machine.commands.at(-1)).toBe('last');
});

test('without a majority writes and reads are refused in time, and work again when it is back', async () => {
  const c = await start();
  const leader = await c.leader();
  await leader.node.propose(bytes('before'));
  const [one, two] = c.running.filter((member) => member !== leader);
  await c.kill(one?.name ?? '');
  await c.kill(two?.name ?? '');
  await waitFor('the leader to step down', () => leader.node.status().role !== 'leader');
  await expect(leader.node.propose(bytes('lost'), { timeoutMs: 300 })).rejects.toMatchObject({ code: 'NO_QUORUM' });
  await expect(leader.node.readIndex({ timeoutMs: 300 })).rejects.toMatchObject({ code: 'NO_QUORUM' });
  await c.startMember(one?.name ?? '');
  await leader.node.propose(bytes('after'));
  expect(leader.machine.commands).toEqual(['before', 'after']);
});

test('leadership is handed over, also by a leader that stops', async () => {
  const c = await start();
  const first = await c.leader();
  const successor = await first.node.transferLeadership();
  expect(successor).not.toBe(first.replica);
  const second = await c.leader();
  expect(second.replica).toBe(successor);
  const chosen = c.running.find((member) => member !== second && member !== first);
  expect(await second.node.transferLeadership(chosen?.replica)).toBe(chosen?.replica);
  const third = await c.leader();
  await expect(second.node.transferLeadership()).rejects.toMatchObject({ code: 'NOT_LEADER', leader: third.replica });
  const writes = Array.from({ length: 50 }, (_, i) => second.node.propose(bytes(`w${i}`)));
  await third.node.close();
  await Promise.all(writes);
  c.forget(third.name);
  await c.leader();
});

test('a command of ten megabytes through a follower costs no leader its office', async () => {
  const c = await start();
  const leader = await c.leader();
  const follower = await c.follower();
  const { term } = leader.node.status();
  const big = 'x'.repeat(10_000_000);
  await follower.node.propose(bytes(big), { timeoutMs: 10_000 });
  await c.converged();
  expect(c.running.map(({ machine }) => machine.commands.at(-1)?.length)).toEqual([big.length, big.length, big.length]);
  expect(leader.node.status()).toMatchObject({ role: 'leader', term });
  await expect(leader.node.propose(Buffer.alloc(20_000_000))).rejects.toMatchObject({ code: 'TOO_LARGE' });
});

test('a member is added as a learner and removed', async () => {
  const c = await start();
  const leader = await c.leader();
  const change = (op: 'add-learner' | 'add-voter' | 'remove', id: string): Promise<unknown> =>
    leader.node.changeMembership({ steps: [{ op, id }], context: bytes('{}') });
  const confs: string[] = [];
  // No change is taken before the first entry of the leader's own term is committed.
  await leader.node.propose(bytes('first'));
  leader.node.on('conf', ({ conf }) => confs.push(`${conf.voters.length} ${conf.learners.length}`));
  await change('add-learner', 'n4#d');
  await waitFor('the learner', () => leader.node.status().conf.learners.includes('n4#d'));
  await change('remove', 'n4#d');
  await waitFor('its removal', () => leader.node.status().conf.learners.length === 0);
  expect(confs).toEqual(['3 1', '3 0']);
});

test('a leader removes itself: the others go on under another, with all that it acknowledged', async () => {
  const c = await start();
  const leader = await c.leader();
  await leader.node.propose(bytes('before'));
  await leader.node.changeMembership({ steps: [{ op: 'remove', id: leader.replica }], context: bytes('{}') });
  await waitFor('it to leave office', () => leader.node.status().role !== 'leader');
  await c.kill(leader.name);
  const next = await c.leader();
  await next.node.propose(bytes('after'));
  await c.converged();
  expect(next.node.status().conf.voters).not.toContain(leader.replica);
  for (const { machine } of c.running) expect(machine.commands).toEqual(['before', 'after']);
});

test('writes through a follower outlive the death of the leader, each applied exactly once', async () => {
  const c = await start();
  const leader = await c.leader();
  const follower = await c.follower();
  const acknowledged: string[] = [];
  let running = true;
  const writers = Array.from({ length: 8 }, async (_, w) => {
    for (let i = 0; running; i++) {
      await follower.node.propose(bytes(`${w}/${i}`));
      acknowledged.push(`${w}/${i}`);
    }
  });
  await waitFor('some writes', () => acknowledged.length > 100);
  await c.kill(leader.name);
  const before = acknowledged.length;
  await waitFor('writes under the next leader', () => acknowledged.length > before + 100);
  running = false;
  await Promise.all(writers);
  await c.startMember(leader.name);
  await c.leader();
  await c.converged();
  for (const { machine } of c.running) {
    expect([...machine.commands].sort()).toEqual([...acknowledged].sort());
  }
});

test('an orderly stop keeps what was committed last: a node alone serves it after a restart', async () => {
  const c = await start();
  const leader = await c.leader();
  const { index } = await leader.node.propose(bytes('newest'));
  await leader.node.close({ transfer: false });
  c.forget(leader.name);
  await Promise.all(c.running.map(({ name }) => c.kill(name)));
  const storage = new LevelStorage({ directory: leader.directory });
  expect((await storage.open()).hard.commit).toBeGreaterThanOrEqual(index);
  await storage.close();
});

test('a leader whose peers all stop does not wait for a successor', async () => {
  const c = await start();
  await c.leader();
  const members = c.running;
  for (const { name } of members) c.forget(name);
  const ends: number[] = [];
  const close = async (node: RaftNode): Promise<void> => {
    await node.close();
    ends.push(performance.now());
  };
  await Promise.all(members.map(({ node }) => close(node)));
  // Whoever leads last sees at once that nobody is left: it does not wait for the whole of TRANSFER_TIMEOUT_MS.
  const [last = 0, before = 0] = ends.reverse();
  expect(last - before).toBeLessThan(TRANSFER_TIMEOUT_MS);
});
