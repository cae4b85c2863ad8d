/** Story: a backup is taken, the cluster is lost, a new one is made from the file and serves the same configuration. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { apiOf } from '../harness/api.ts';
import { Cluster } from '../harness/cluster.ts';
import { stablePorts } from '../harness/ports.ts';
import { flotilla, FlotillaProcess } from '../harness/process.ts';

const directory = mkdtempSync(join(tmpdir(), 'flotilla-backup-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it('makes a new cluster with the configuration of the old one', async () => {
  const file = join(directory, 'backup.json');
  let before: unknown;
  {
    await using cluster = await Cluster.start({ nodes: 1, backends: 1 });
    const [node] = cluster.nodes;
    await node!.call('PATCH', '/v1/pools/api/backends/b1', { body: { weight: 77 } });
    before = (await node!.call('GET', '/v1/config')).body;
    const saved = await flotilla(['backup', file, '--server', node!.api]);
    expect(saved.code, saved.stderr).toBe(0);
  }
  const data = join(directory, 'restored');
  const restored = await flotilla(['restore', file, '--data', data]);
  expect(restored.code, restored.stderr).toBe(0);
  expect((await flotilla(['restore', file, '--data', data])).code, 'not over something').toBe(78);

  const [api, raft, web] = await stablePorts(3);
  const settings = [
    '--node-id',
    'r1',
    '--data-dir',
    data,
    '--port-offset',
    String(web! - 8080),
    '--stop-on-stdin-close',
  ];
  const node = new FlotillaProcess([
    'node',
    ...settings,
    '--api-listen',
    `127.0.0.1:${api}`,
    '--raft-listen',
    `127.0.0.1:${raft}`,
  ]);
  node.start();
  const call = apiOf(`http://127.0.0.1:${api}`);
  await waitFor('the configuration', async () => (await call('GET', '/v1/config')).body.pools?.length === 1);
  expect((await call('GET', '/v1/config')).body).toEqual(before);
  expect(await node.end()).toEqual({ code: 0, signal: null });
});

it('refuses a file that is no backup', async () => {
  const file = join(directory, 'other.json');
  writeFileSync(file, '{"kind":"something else"}');
  const refused = await flotilla(['restore', file, '--data', join(directory, 'never')]);
  expect(refused.code).toBe(64);
  expect(refused.stderr).toContain('not a backup');
});
