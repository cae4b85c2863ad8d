/** Story: a backup is taken, the cluster is lost, a new one is made from the file and serves the same configuration. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { type ApiCall, apiOf } from '../harness/api.ts';
import { Cluster } from '../harness/cluster.ts';
import { stablePorts } from '../harness/ports.ts';
import { flotilla, FlotillaProcess } from '../harness/process.ts';

const directory = mkdtempSync(join(tmpdir(), 'flotilla-backup-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const USERS = Array.from({ length: 60 }, (_, at) => `user-${at}`);

it('makes a new cluster with everything that the old one knew', async () => {
  const file = join(directory, 'backup.json');
  const known = ['/v1/config', '/v1/config/history', '/v1/sessions?limit=1000', '/v1/audit?limit=1000'];
  const look = async (call: ApiCall): Promise<unknown[]> =>
    Promise.all(known.map(async (path) => (await call('GET', path)).body as unknown));
  let before: unknown[];
  let revision: number;
  {
    const affinity = { type: 'header', name: 'x-user', ttlMs: 3_600_000 };
    await using cluster = await Cluster.start({ nodes: 1, backends: 2, pool: { affinity } });
    const [node] = cluster.nodes;
    for (const user of USERS)
      await fetch(`http://127.0.0.1:${node!.webPort}/`, { headers: { 'x-user': user, connection: 'close' } });
    await waitFor('all pins', async () => (await node!.call('GET', known[2]!)).body.items.length === USERS.length);
    for (const weight of [77, 78]) await node!.call('PATCH', '/v1/pools/api/backends/b1', { body: { weight } });
    before = await look(node!.call);
    ({ revision } = await node!.status());
    const saved = await flotilla(['backup', file, '--server', node!.api]);
    expect(saved.code, saved.stderr).toBe(0);
  }
  const data = join(directory, 'restored');
  const restored = await flotilla(['restore', file, '--data', data]);
  expect(restored.code, restored.stderr).toBe(0);
  expect((await flotilla(['restore', file, '--data', data])).code, 'not over something').toBe(78);

  // Under another name than any that the old cluster had.
  const first = await started('r1', data, []);
  const { call } = first;
  await waitFor('the state', async () => (await call('GET', '/v1/status')).body.revision === revision);
  await waitFor('a leader', async () => (await call('GET', '/v1/leader')).status === 200);
  const [config, history, sessions, audit] = (await look(call)) as { items: object[] }[];
  expect([config, history, sessions]).toEqual(before.slice(0, 3));
  const kept = (before[3] as { items: object[] }).items;
  expect(audit!.items.slice(-kept.length)).toEqual(kept);
  // Revisions go on where they were: whoever holds an old one is told so.
  const written = await call('PATCH', '/v1/pools/api/backends/b1', { body: { weight: 79 } });
  expect(written.body.revision).toBeGreaterThan(revision);
  const back = await call('POST', '/v1/config/rollback', { body: { revision } });
  expect(back.status, JSON.stringify(back.body)).toBe(200);

  const second = await started('r2', join(directory, 'joined'), ['--join', first.api]);
  await waitFor('two voters', async () => {
    const { items } = (await call('GET', '/v1/members')).body as { items: { id: string; voter: boolean }[] };
    return (
      items
        .filter(({ voter }) => voter)
        .map(({ id }) => id)
        .join() === 'r1,r2'
    );
  });
  expect((await second.call('GET', known[2]!)).body).toEqual((await call('GET', known[2]!)).body);
  await Promise.all([first.process.end(), second.process.end()]);
});

async function started(id: string, data: string, more: readonly string[]) {
  const [api, raft, web] = await stablePorts(3);
  const address = `127.0.0.1:${api}`;
  const settings = ['--node-id', id, '--data-dir', data, '--port-offset', String(web! - 8080), '--stop-on-stdin-close'];
  const listen = ['--api-listen', address, '--raft-listen', `127.0.0.1:${raft}`];
  const process = new FlotillaProcess(['node', ...settings, ...listen, ...more]);
  process.start();
  const call = apiOf(`http://${address}`);
  await waitFor(`the API of ${id}`, async () => (await call('GET', '/live')).status === 200, { timeoutMs: 20_000 });
  return { process, call, api: address };
}

it('refuses a file that was changed', async () => {
  const file = join(directory, 'backup.json');
  const changed = join(directory, 'changed.json');
  writeFileSync(changed, readFileSync(file, 'utf8').replace(/"weight":78/g, '"weight":87'));
  const refused = await flotilla(['restore', changed, '--data', join(directory, 'never')]);
  expect(refused.code).toBe(78);
  expect(refused.stderr).toContain('cut short or changed');
  expect(existsSync(join(directory, 'never'))).toBe(false);
});

it('refuses a file that is no backup', async () => {
  const file = join(directory, 'other.json');
  writeFileSync(file, '{"kind":"something else"}');
  const refused = await flotilla(['restore', file, '--data', join(directory, 'never')]);
  expect(refused.code).toBe(64);
  expect(refused.stderr).toContain('not a backup');
});
