/** What a recovery leaves where it breaks off: the former store, or the new one, never a directory that looks new. */
import { readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { TestCluster, type TestNode } from '../testing/index.ts';
import { recoverDataDir } from './recover.ts';

let cluster: TestCluster | null = null;
afterEach(async () => {
  await cluster?.close();
  cluster = null;
});

/** A stopped node that held something, whose recovery broke off between its two renames. */
async function brokenOff(): Promise<{ readonly node: TestNode; readonly clusterId: string }> {
  cluster = new TestCluster();
  const [node] = await cluster.start(1);
  await node!.whenReady();
  const body = { name: 'kept', backends: [{ id: 'b1', address: '10.0.0.1:80' }] };
  expect((await node!.ask('/v1/pools/kept', { method: 'PUT', body })).status).toBe(200);
  await node!.stop();
  const { dataDir } = node!.settings;
  const { clusterId } = await recoverDataDir(dataDir);
  renameSync(join(dataDir, 'raft'), join(dataDir, 'raft.recovering'));
  return { node: node!, clusterId };
}

describe('a recovery that broke off after the former store was put aside', () => {
  it('is ended by the node that starts', async () => {
    const { node } = await brokenOff();
    const again = await cluster!.restart(node);
    await again.whenReady();
    expect((await again.ask('/v1/pools/kept')).body.backends).toHaveLength(1);
    expect(readdirSync(node.settings.dataDir)).not.toContain('raft.recovering');
  });

  it('may be asked for again', async () => {
    const { node, clusterId } = await brokenOff();
    const { formerClusterId, revision } = await recoverDataDir(node.settings.dataDir);
    expect(formerClusterId).toBe(clusterId);
    expect(revision).toBeGreaterThan(0);
  });
});

it('a new store without a former one is nothing that broke off there', async () => {
  const { node } = await brokenOff();
  const { dataDir } = node.settings;
  for (const name of readdirSync(dataDir)) {
    if (name.startsWith('raft.before-recovery')) renameSync(join(dataDir, name), `${dataDir}-moved-away`);
  }
  await expect(recoverDataDir(dataDir)).rejects.toThrow('holds no store');
});
