/** Story: how a node process begins and ends: settings with faults, ports that are taken, signals, exit codes. */
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { readPidFile } from '@flotilla/node';
import { Cluster } from '../harness/cluster.ts';
import type { ClusterNode } from '../harness/cluster.ts';
import { flotilla, FlotillaProcess } from '../harness/process.ts';

/** Tells an end from a hang on a busy machine; an idle one needs a second or two. */
const STOPPED_WITHIN_MS = 20_000;

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flotilla-process-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

it('names every fault of the settings at once and ends with 78', async () => {
  const config = join(directory, 'flotilla.yaml');
  writeFileSync(config, 'nodeId: N1\napiListen: 0.0.0.0:7400\nraftListen: nonsense\nfoo: 1\n');
  const { code, stderr } = await flotilla(['node', '--config', config, '--port-offset', 'x']);
  expect(code).toBe(78);
  for (const part of [
    'nodeId in',
    'apiListen in',
    'no tokens',
    'raftListen in',
    'foo in',
    'unknown setting',
    '--port-offset',
  ]) {
    expect(stderr).toContain(part);
  }
});

it('ends with 64 where the command line is wrong', async () => {
  expect((await flotilla(['node', '--no-such-flag'])).code).toBe(64);
  expect((await flotilla(['no-such-command'])).code).toBe(64);
});

it('ends with 69 where its port is taken, and says which', async () => {
  const holder: Server = createServer();
  await new Promise<void>((settle) => holder.listen(0, '127.0.0.1', settle));
  const { port } = holder.address() as AddressInfo;
  const args = ['node', '--node-id', 'n1', '--data-dir', directory, '--raft-listen', '127.0.0.1:0'];
  const { code, stderr } = await flotilla([...args, '--api-listen', `127.0.0.1:${port}`]);
  holder.close();
  expect(code).toBe(69);
  expect(stderr).toContain(String(port));
});

it('ends with 74 where the data directory cannot be used', async () => {
  const file = join(directory, 'not-a-directory');
  writeFileSync(file, '');
  const { code, stderr } = await flotilla([
    'node',
    '--node-id',
    'n1',
    '--data-dir',
    join(file, 'n1'),
    '--raft-listen',
    '127.0.0.1:0',
    '--api-listen',
    '127.0.0.1:0',
  ]);
  expect(code, stderr).toBe(74);
});

let cluster: Cluster;
let node: ClusterNode;
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: 1, backends: 1, settings: { drainMs: 2_000 } });
  node = cluster.nodes[0]!;
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

it('finishes requests under way before it ends', async () => {
  const slow = fetch(`http://127.0.0.1:${node.webPort}/slow?ms=700`);
  const inFlight = async (): Promise<boolean> => {
    const { body } = await node.call('GET', '/v1/status');
    return body.proxyThreads[0].connections > 0;
  };
  await waitFor('the request to be under way', inFlight);
  const startedMs = performance.now();
  const ended = node.process.end('SIGTERM');
  expect((await slow).status).toBe(200);
  expect(await ended).toEqual({ code: 0, signal: null });
  expect(performance.now() - startedMs).toBeLessThan(STOPPED_WITHIN_MS);
  node.process.start();
  await node.waitReady();
});

it('ends at once with the second signal', async () => {
  const broken = fetch(`http://127.0.0.1:${node.webPort}/slow?ms=10000`).then(
    () => 'answered',
    () => 'broken',
  );
  const inFlight = async (): Promise<boolean> =>
    (await node.call('GET', '/v1/status')).body.proxyThreads[0].connections > 0;
  await waitFor('the request to be under way', inFlight);
  node.process.signal('SIGINT');
  await node.process.waitForOutput('node stops');
  expect(await node.process.end('SIGINT')).toEqual({ code: 0, signal: null });
  expect(await broken).toBe('broken');
  node.process.start();
  await node.waitReady();
});

it('is alone on its data directory', async () => {
  const { code, stderr } = await flotilla([
    'node',
    '--config',
    node.settingsFile,
    '--api-listen',
    '127.0.0.1:0',
    '--raft-listen',
    '127.0.0.1:0',
  ]);
  expect(code, stderr).toBe(74);
  expect(await node.isReady()).toBe(true);
});

it('keeps its pid in a file while it runs', async () => {
  const pidFile = join(cluster.directory, 'n1.pid');
  await node.process.end('SIGTERM');

  const other = new FlotillaProcess([
    'node',
    '--config',
    node.settingsFile,
    '--pid-file',
    pidFile,
    '--stop-on-stdin-close',
  ]);
  other.start();
  await node.waitReady();
  expect(readPidFile(pidFile)).toBe(other.pid);
  await other.end('SIGTERM');
  expect(readPidFile(pidFile)).toBeNull();
});
