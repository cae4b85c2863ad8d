/** Nodes whose disks misbehave: on stores and a network in memory, with the production driver. */
import { afterEach, expect, test } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { EMPTY_CONF } from '../core/types.ts';
import { MemoryDisk, MemoryStorage } from '../testing/memory-storage.ts';
import { MemoryNetwork, MemoryTransport } from '../testing/memory-transport.ts';
import { RecordingMachine } from '../testing/recording-machine.ts';
import type { RaftError } from './errors.ts';
import { RaftNode } from './raft-node.ts';

const VOTERS = ['n1#a', 'n2#b', 'n3#c'];

interface Member {
  readonly node: RaftNode;
  readonly disk: MemoryDisk;
  readonly machine: RecordingMachine;
  readonly halts: RaftError[];
}

const members: Member[] = [];

afterEach(async () => {
  for (const { disk } of members) disk.beforeWrite = () => Promise.resolve();
  await Promise.all(members.splice(0).map(({ node }) => node.close({ transfer: false })));
});

async function start(voters: readonly string[] = VOTERS): Promise<Member[]> {
  const network = new MemoryNetwork();
  for (const replica of voters) {
    const disk = new MemoryDisk();
    const storage = new MemoryStorage(disk);
    await storage.open();
    await storage.initialise({ clusterId: 'c', replica, format: 1, createdMs: 0 }, { ...EMPTY_CONF, voters });
    const machine = new RecordingMachine();
    const transport = new MemoryTransport(network, replica);
    const recovered = await storage.open();
    const node = new RaftNode({ storage, recovered, transport, stateMachine: machine });
    const halts: RaftError[] = [];
    node.on('halt', (error) => halts.push(error));
    members.push({ node, disk, machine, halts });
    await node.open();
  }
  for (const { node } of members) node.setPeers(voters.map((replica) => ({ replica, host: 'memory', port: 1 })));
  return members;
}

function leader(): Promise<Member> {
  return waitFor('a leader', () =>
    members.find(({ node, halts }) => halts.length === 0 && node.status().role === 'leader' && node.status().quorum),
  );
}

test('a node whose disk fails stops for good, with DISK, and the others go on', async () => {
  await start();
  const failing = await leader();
  await failing.node.propose(Buffer.from('one'));
  failing.disk.beforeWrite = () => Promise.reject(new Error('EIO'));
  await expect(failing.node.propose(Buffer.from('two'))).rejects.toMatchObject({ code: 'UNKNOWN_OUTCOME' });
  const [halt] = await waitFor('the halt', () => (failing.halts.length > 0 ? failing.halts : null));
  expect(halt?.message).toContain('EIO');
  await expect(failing.node.propose(Buffer.from('three'))).rejects.toMatchObject({ code: 'STOPPED' });
  const next = await leader();
  expect(next).not.toBe(failing);
  await next.node.propose(Buffer.from('four'));
  expect(next.machine.commands.at(-1)).toBe('four');
});

test('a leader whose disk does not answer gives up its office, and takes part again when it does', async () => {
  await start();
  const stuck = await leader();
  await stuck.node.propose(Buffer.from('one'));
  let release: () => void = () => undefined;
  const stalled = new Promise<void>((resolve) => {
    release = resolve;
  });
  stuck.disk.beforeWrite = () => stalled;
  const hanging = stuck.node.propose(Buffer.from('two'), { timeoutMs: 10_000 });
  const next = await waitFor('another leader', () =>
    members.find((member) => member !== stuck && member.node.status().role === 'leader'),
  );
  await next.node.propose(Buffer.from('three'));
  expect(stuck.node.status().disk.stalled).toBe(true);
  stuck.disk.beforeWrite = () => Promise.resolve();
  release();
  await hanging;
  await waitFor('equal states', () => new Set(members.map(({ machine }) => machine.digest())).size === 1);
  expect([...stuck.machine.commands].sort()).toEqual(['one', 'three', 'two']);
});

test('a nearly full disk refuses writes politely', async () => {
  const [only] = await start(['n1#a']);
  if (only === undefined) throw new Error('no member');
  await only.node.propose(Buffer.from('one'));
  only.disk.freeBytes = 1000;
  await waitFor('the refusal', () => only.node.status().disk.full, { timeoutMs: 12_000 });
  await expect(only.node.propose(Buffer.from('two'))).rejects.toMatchObject({ code: 'DISK_FULL' });
});

test('a damaged store is not run', () => {
  const recovered = { ...emptyRecovered(), faults: ['log block 1: checksum differs'] };
  const storage = new MemoryStorage(new MemoryDisk());
  const transport = new MemoryTransport(new MemoryNetwork(), 'n1#a');
  const stateMachine = new RecordingMachine();
  expect(() => new RaftNode({ storage, recovered, transport, stateMachine })).toThrow('checksum differs');
});

function emptyRecovered(): ConstructorParameters<typeof RaftNode>[0]['recovered'] {
  return {
    identity: { clusterId: 'c', replica: 'n1#a', format: 1, createdMs: 0 },
    hard: { term: 0, vote: null, commit: 0 },
    snapshot: null,
    entries: [],
    firstIndex: 1,
    faults: [],
    initialConf: EMPTY_CONF,
    reserved: null,
  };
}
