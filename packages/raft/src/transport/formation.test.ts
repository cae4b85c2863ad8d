/** How clusters begin, and how they do not begin a second time. */
import { afterEach, expect, test } from 'vitest';
import { freePorts, waitFor } from '@flotilla/shared/testing';
import type { RaftLogger, Recovered } from '../driver/ports.ts';
import { silentLogger } from '../driver/system.ts';
import { MemoryDisk, MemoryStorage } from '../testing/memory-storage.ts';
import { clusterIdOf, formCluster, replicaOf } from './formation.ts';
import type { SeedAddress } from './formation.ts';
import { TcpTransport } from './tcp-transport.ts';

const opened: TcpTransport[] = [];
const aborts = new AbortController();

afterEach(async () => {
  await Promise.all(opened.splice(0).map((transport) => transport.close()));
});

interface Seed {
  readonly result: Promise<Recovered>;
  readonly transport: TcpTransport;
  readonly replica: string;
  readonly abort: AbortController;
  readonly log: string[];
}

async function seed(
  name: string,
  peers: readonly SeedAddress[],
  options: { readonly disk?: MemoryDisk; readonly join?: boolean; readonly port?: number } = {},
): Promise<Seed> {
  const storage = new MemoryStorage(options.disk ?? new MemoryDisk());
  const recovered = await storage.open();
  const replica = await replicaOf({ storage, recovered, name });
  const port = options.port ?? peers.find((peer) => peer.name === name)?.port ?? 0;
  const log: string[] = [];
  const logger: RaftLogger = { ...silentLogger, info: (_fields, message) => void log.push(message) };
  const transport = new TcpTransport({
    listen: { host: '127.0.0.1', port },
    clusterName: 'test',
    clusterId: recovered.identity?.clusterId ?? '',
    replica,
    secret: 'secret',
  });
  opened.push(transport);
  await transport.listen();
  const abort = new AbortController();
  const result = formCluster({
    storage,
    recovered,
    transport,
    clusterName: 'test',
    peers,
    logger,
    signal: AbortSignal.any([abort.signal, aborts.signal]),
    ...(options.join ? { join: true } : {}),
  });
  result.catch(() => undefined);
  return { result, transport, replica, abort, log };
}

async function addresses(...names: string[]): Promise<SeedAddress[]> {
  const ports = await freePorts(names.length);
  return names.map((name, i) => ({ name, host: '127.0.0.1', port: ports[i] ?? 0 }));
}

test('three fresh nodes form one cluster of all of them', async () => {
  const peers = await addresses('n1', 'n2', 'n3');
  const seeds = await Promise.all(['n1', 'n2', 'n3'].map((name) => seed(name, peers)));
  const stores = await Promise.all(seeds.map(({ result }) => result));
  const replicas = seeds.map(({ replica }) => replica).sort();
  for (const store of stores) {
    expect(store.identity?.clusterId).toBe(clusterIdOf('test', replicas));
    expect(store.initialConf.voters).toEqual(replicas);
  }
});

test('a single node forms at once', async () => {
  const peers = await addresses('n1');
  const { result, replica } = await seed('n1', peers);
  expect((await result).initialConf.voters).toEqual([replica]);
});

test('nothing is formed while one is missing, and the log says who', async () => {
  const peers = await addresses('n1', 'n2', 'n3');
  const [one, two] = [await seed('n1', peers), await seed('n2', peers)];
  await waitFor('the log', () => one.log.some((line) => line.startsWith('waiting for n3 at 127.0.0.1:')));
  const three = await seed('n3', peers);
  const stores = await Promise.all([one, two, three].map(({ result }) => result));
  expect(new Set(stores.map((store) => store.identity?.clusterId)).size).toBe(1);
});

test('a node that restarts before the cluster is formed keeps its identity', async () => {
  const peers = await addresses('n1', 'n2');
  const disk = new MemoryDisk();
  const first = await seed('n1', peers, { disk });
  first.abort.abort();
  await expect(first.result).rejects.toMatchObject({ code: 'STOPPED' });
  await first.transport.close();
  const again = await seed('n1', peers, { disk });
  expect(again.replica).toBe(first.replica);
  const two = await seed('n2', peers);
  expect((await again.result).identity).toMatchObject({ replica: first.replica });
  await two.result;
});

test('a node that was cut off while the others formed finds the cluster that counts on it', async () => {
  const peers = await addresses('n1', 'n2', 'n3');
  const disk = new MemoryDisk();
  const seeds = [await seed('n1', peers), await seed('n2', peers), await seed('n3', peers, { disk })];
  // The third "loses" what it wrote last: it had said yes, but its own record of the cluster never reached the disk.
  const stores = await Promise.all(seeds.map(({ result }) => result));
  await seeds[2]?.transport.close();
  disk.identity = null;
  disk.reserved = seeds[2]?.replica ?? null;
  const again = await seed('n3', peers, { disk });
  const found = await again.result;
  expect(found.identity?.clusterId).toBe(stores[0]?.identity?.clusterId);
  expect(found.initialConf).toEqual(stores[0]?.initialConf);
});

test('a wiped disk cannot help to form a second cluster', async () => {
  const peers = await addresses('n1', 'n2', 'n3');
  const seeds = await Promise.all(['n1', 'n2', 'n3'].map((name) => seed(name, peers)));
  await Promise.all(seeds.map(({ result }) => result));
  await seeds[1]?.transport.close();
  await seeds[2]?.transport.close();
  // Two of three lost their disks: together they would be a majority of names.
  const [two, three] = [await seed('n2', peers), await seed('n3', peers)];
  await expect(two.result).rejects.toMatchObject({ code: 'NOT_MEMBER' });
  await expect(three.result).rejects.toMatchObject({ code: 'NOT_MEMBER' });
});

test('a node that joins waits until a member lists it', async () => {
  const peers = await addresses('n1');
  const one = await seed('n1', peers);
  const store = await one.result;
  const four = await seed('n4', peers, { join: true });
  await waitFor('the log', () => four.log.some((line) => line.startsWith('waiting for n1')));
  one.transport.setPeers([{ replica: four.replica, host: '127.0.0.1', port: four.transport.port }]);
  const joined = await four.result;
  expect(joined.identity).toMatchObject({ clusterId: store.identity?.clusterId, replica: four.replica });
  expect(joined.initialConf).toEqual(store.initialConf);
});

test('first members that do not include this node are refused', async () => {
  const peers = await addresses('n1');
  const { result } = await seed('n9', peers);
  await expect(result).rejects.toMatchObject({ code: 'CONF_INVALID' });
});
