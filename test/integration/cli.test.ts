/** Story: an operator works with `./flotilla`: looks, changes, is refused with a reason, and fails over between servers. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Cluster } from '../harness/cluster.ts';
import { flotilla } from '../harness/process.ts';

let cluster: Cluster;
let servers = '';
const directory = mkdtempSync(join(tmpdir(), 'flotilla-cli-'));
beforeAll(async () => {
  cluster = await Cluster.start();
  // The first address answers nobody: every command below fails over.
  servers = ['127.0.0.1:9', ...cluster.nodes.map((node) => node.api)].join(',');
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

const run = (...args: string[]) => flotilla(args, { env: { FLOTILLA_SERVER: servers } });

async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await run(...args, '--output', 'json');
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as T;
}

it('shows the cluster', async () => {
  expect((await run('status')).stdout).toMatch(/leader +n\d at 127\.0\.0\.1/);
  const leader = await json<{ id: string }>('leader');
  expect(leader.id).toBe((await cluster.leader()).id);
  const members = await json<{ items: { id: string }[] }>('members');
  expect(members.items.map(({ id }) => id).sort()).toEqual(['n1', 'n2', 'n3']);
  expect((await run('health')).stdout).toMatch(/api +b1 +up/);
});

it('changes a weight, reads it back, finds it in the history and rolls it back', async () => {
  const before = await json<{ items: { revision: number }[] }>('history');
  expect((await run('weight', 'api/b1', '7')).stdout).toContain('api/b1 weighs 7');
  const backend = await json<{ weight: number }>('get', 'backends', 'api/b1');
  expect(backend.weight).toBe(7);
  expect((await run('history')).stdout).toContain('api/b1');
  const rolledBack = await run('rollback', String(before.items[0]!.revision));
  expect(rolledBack.code, rolledBack.stderr).toBe(0);
  const restored = await json<{ weight: number }>('get', 'backends', 'api/b1');
  expect(restored.weight).toBe(100);
});

it('applies a document after showing the difference', async () => {
  const file = join(directory, 'cluster.yaml');
  const { stdout } = await run('get', 'config');
  writeFileSync(file, stdout);
  expect(await run('diff', file)).toMatchObject({ code: 0, stdout: '' });
  writeFileSync(file, stdout.replace(/weight: 100/, 'weight: 11'));
  const diff = await run('diff', file);
  expect(diff.code).toBe(1);
  expect(diff.stdout).toContain('100 → 11');
  expect((await run('apply', file)).code, 'nobody to ask').toBe(64);
  const applied = await run('apply', '--yes', file);
  expect(applied.code, applied.stderr).toBe(0);
  expect(applied.stdout).toMatch(/revision \d+/);
  expect((await run('apply', '--yes', file)).stdout).toContain('nothing to change');
});

it('lists every fault of a document and ends with 78', async () => {
  const document = 'listeners: [{name: web, port: 99999, routes: [{match: {}, pool: none}]}]\npools: []\n';
  const { code, stderr } = await flotilla(['validate', '-'], { env: { FLOTILLA_SERVER: servers }, input: document });
  expect(code).toBe(78);
  expect(stderr).toContain('INVALID_CONFIG');
  expect(stderr).toContain('port');
});

it('takes a backend out of service and back', async () => {
  expect((await run('drain', 'api/b2')).code).toBe(0);
  expect((await json<{ state: string }>('get', 'backends', 'api/b2')).state).toBe('draining');
  expect((await run('undrain', 'api/b2')).code).toBe(0);
  expect((await json<{ state: string }>('get', 'backends', 'api/b2')).state).toBe('enabled');
});

it('hands leadership over', async () => {
  const [follower] = await cluster.followers();
  const { code, stderr } = await run('transfer', follower!.id);
  expect(code, stderr).toBe(0);
  expect((await cluster.leader()).id).toBe(follower!.id);
});

it('deletes what it is told to and says what is not there', async () => {
  expect((await run('delete', 'backends', 'api/b3')).code).toBe(0);
  const missing = await run('get', 'backends', 'api/b3');
  expect(missing.code).toBe(1);
  expect(missing.stderr).toContain('NOT_FOUND');
});

it('ends with 69 where nobody answers', async () => {
  const { code, stderr } = await flotilla(['status', '--server', '127.0.0.1:9', '--retry-for', '0']);
  expect(code).toBe(69);
  expect(stderr).toContain('no server answers');
});

it('teaches with --help and knows its version', async () => {
  const help = await run('weight', '--help');
  expect(help.code).toBe(0);
  expect(help.stdout).toContain('Examples:');
  expect((await run('--version')).stdout.trim()).toMatch(/^\d+\.\d+\.\d+$/);
});
