/**
 * Story: the disk of a real node fails (libfiu), or is full to the last byte (a small file system). The node ends with exit
 * code 74 and says why; the others go on; it comes back with all that was acknowledged. A disk that is only nearly full is
 * foreseen: writes are refused politely, or taken by another leader, before any of them fails.
 */
import { waitFor } from '@flotilla/shared/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterNode } from '../harness/cluster.ts';
import { FaultCluster } from '../harness/fault-cluster.ts';
import { MachineFaults } from '../harness/machine-faults.ts';
import type { DiskCall } from '../harness/machine-faults.ts';

const ERRNO = { EIO: 5, ENOSPC: 28 } as const;
const IO_ERROR = { code: 74, signal: null };
const RECOVERY_MS = 60_000;

const CASES: readonly (readonly [call: DiskCall, error: keyof typeof ERRNO])[] = [
  ['posix/io/sync/fdatasync', 'EIO'],
  ['posix/io/sync/fdatasync', 'ENOSPC'],
];

let faulty: FaultCluster;
const machine = MachineFaults.look();
for (const line of machine.missing) console.log(`left out: ${line}`);

beforeAll(async () => {
  faulty = await FaultCluster.start();
});
afterAll(() => faulty?.[Symbol.asyncDispose]());

let weight = 100;

/** Writes through a node until it is acknowledged; answers what was written. */
async function write(node: ClusterNode): Promise<number> {
  const wanted = (weight += 1);
  await waitFor(
    'an acknowledged write',
    async () => {
      const body = { weight: wanted };
      return (await node.call('PATCH', '/v1/pools/api/backends/b1', { body, timeoutMs: 5_000 })).status === 200;
    },
    { timeoutMs: RECOVERY_MS, everyMs: 50 },
  );
  return wanted;
}

async function comesBack(node: ClusterNode, written: number): Promise<void> {
  node.process.start();
  await node.waitReady(RECOVERY_MS);
  const { body } = await node.call('GET', '/v1/pools/api/backends/b1');
  expect(body.weight).toBe(written);
  await faulty.cluster.converge(RECOVERY_MS);
}

const others = (node: ClusterNode): ClusterNode[] => faulty.cluster.nodes.filter((other) => other !== node);

describe.skipIf(!machine.hasFailingDisks)('a disk that fails', () => {
  it.each(CASES)(
    '%s with %s: the leader ends with 74 and says why, nothing acknowledged is lost',
    async (call, error) => {
      const leader = await faulty.cluster.leader();
      await write(leader);
      faulty.machine.failDisk(leader.id, leader.process.pid, call, ERRNO[error]);
      const [other] = others(leader);
      const written = await write(other!);
      expect(await leader.process.waitForEnd()).toEqual(IO_ERROR);
      expect(leader.process.output).toMatch(/the store cannot be written|disk/i);
      await comesBack(leader, written);
    },
  );

  it('a follower ends alone: the leader stays', async () => {
    const [follower] = await faulty.cluster.followers();
    const leader = await faulty.cluster.leader();
    faulty.machine.failDisk(follower!.id, follower!.process.pid, 'posix/io/sync/fdatasync', ERRNO.EIO);
    const written = await write(leader);
    expect(await follower!.process.waitForEnd()).toEqual(IO_ERROR);
    expect((await leader.status()).role).toBe('leader');
    await comesBack(follower!, written);
  });

  it('a signal while its node still serves the last requests ends it at once, with 74 as well', async () => {
    const [follower] = await faulty.cluster.followers();
    const { process, webPort } = follower!;
    const broken = fetch(`http://127.0.0.1:${webPort}/slow?ms=60000`).catch(() => null);
    const connections = async () => (await follower!.call('GET', '/v1/status')).body.proxyThreads[0].connections;
    await waitFor('the request to be under way', async () => (await connections()) > 0);
    const told = (): number => process.output.split('the store cannot be written').length;
    const before = told();
    faulty.machine.failDisk(follower!.id, process.pid, 'posix/io/sync/fdatasync', ERRNO.EIO);
    const written = await write(await faulty.cluster.leader());
    await waitFor('the fault to be told', () => told() > before);
    expect(await process.end('SIGTERM')).toEqual(IO_ERROR);
    expect(await broken).toBeNull();
    await comesBack(follower!, written);
  });
});

describe.skipIf(!machine.hasSmallDisks)('a disk of a few hundred MB', () => {
  it('that is nearly full is foreseen: writes go on through another leader, none fails', async () => {
    const leader = await faulty.cluster.leader();
    faulty.machine.fillDisk(faulty.dataOf(leader));
    await leader.process.waitForOutput('the disk is nearly full');
    await waitFor('the warning', async () => {
      const { body } = await leader.call('GET', '/v1/status');
      return (body.warnings as string[]).some((text) => text.startsWith('the disk is nearly full'));
    });
    const answer = await leader.call('PATCH', '/v1/pools/api/backends/b1', { body: { weight: (weight += 1) } });
    // Taken by a leader with room, or refused with the reason.
    expect([undefined, 'DISK_FULL']).toContain(answer.body.error?.code);
    expect(leader.process.isRunning).toBe(true);
    faulty.machine.freeDisk(faulty.dataOf(leader));
    await leader.process.waitForOutput('the disk has room again');
    await faulty.cluster.converge(RECOVERY_MS);
  });

  it('that is full to the last byte ends its node with 74; with room again it is as it was', async () => {
    const leader = await faulty.cluster.leader();
    const [follower] = await faulty.cluster.followers();
    // It would refuse as a leader, in time; as a follower it must take what the others commit.
    faulty.machine.fillDisk(faulty.dataOf(follower!), 0);
    const ended = follower!.process.waitForEnd();
    let written = 0;
    while (follower!.process.isRunning) written = await write(leader);
    expect(await ended).toEqual(IO_ERROR);
    faulty.machine.freeDisk(faulty.dataOf(follower!));
    await comesBack(follower!, written);
  });
});
