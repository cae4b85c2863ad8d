/** Story: an operator works with `./flotilla`: looks, changes, is refused with a reason, and fails over between servers. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { waitFor } from '@flotilla/shared/testing';
import { Cluster } from '../harness/cluster.ts';
import { flotilla, FlotillaProcess, REPOSITORY } from '../harness/process.ts';

const hasScript = spawnSync('script', ['--version']).status === 0;

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

it('says where a request goes, by path or by URL', async () => {
  const byPath = await run('explain', '/login', '--client-ip', '10.0.0.9');
  expect(byPath.stdout, byPath.stderr).toMatch(
    /route 0 of listener web \(matches everything\)\n→ pool api: round-robin/,
  );
  expect(byPath.stdout).toMatch(/b1 +up +enabled +\d+ +\d+(\.\d)? %/);
  expect((await json<{ route: number }>('explain', 'http://example.com/x')).route).toBe(0);
  expect((await run('explain', 'http://[')).code).toBe(64);
});

it('says in one sentence what is wrong with a file, never with a stack', async () => {
  const cases: readonly (readonly [number, readonly string[]])[] = [
    [74, ['backup', join(directory, 'none', 'backup.json')]],
    [64, ['status', '--ca', join(directory, 'none.pem')]],
    [64, ['apply', join(directory, 'none.yaml')]],
    [64, ['weight', 'api/b1', '1001']],
  ];
  for (const [expected, args] of cases) {
    const { code, stderr } = await run(...args);
    expect([code, stderr.includes('    at ')], stderr).toEqual([expected, false]);
  }
});

it('tells a listener, or any other server, from a node before a change is sent to it', async () => {
  const web = `127.0.0.1:${cluster.nodes[0]!.webPort}`;
  for (const args of [['status'], ['weight', 'api/b1', '50'], ['watch'], ['top', '--once']]) {
    const { code, stdout, stderr } = await flotilla([...args, '--server', web, '--retry-for', '0']);
    expect([code, stdout, stderr]).toEqual([69, '', expect.stringContaining('is not the API of a node')]);
    expect(stderr).not.toMatch(/^ +at /m);
  }
});

it('gives programs what every change came to, as JSON and as YAML', async () => {
  const file = join(directory, 'again.yaml');
  writeFileSync(file, (await run('get', 'config')).stdout.replace(/weight: \d+/, 'weight: 55'));
  const { items } = await json<{ items: { revision: number }[] }>('history');
  const changes = [
    ['diff', file],
    ['apply', '--yes', file],
    ['apply', '--yes', file],
    ['validate', file],
    ['weight', 'api/b1', '60'],
    ['rollback', String(items.at(-1)!.revision)],
    ['drain', 'api/b1'],
    ['undrain', 'api/b1'],
    ['backup', join(directory, 'backup.json')],
    ['transfer'],
    ['top', '--once'],
    ['drain', 'n2', '--propagation', '0', '--deadline', '0'],
    ['undrain', 'n2'],
  ];
  for (const format of ['json', 'yaml']) {
    for (const args of changes) {
      const { code, stdout, stderr } = await run(...args, '--output', format);
      expect(args[0] === 'diff' ? [0, 1] : [0], `${args.join(' ')}: ${stderr}`).toContain(code);
      const value: unknown = format === 'json' ? JSON.parse(stdout) : parse(stdout);
      expect(value, `${args.join(' ')} --output ${format}`).toBeTypeOf('object');
    }
  }
});

it.runIf(hasScript)('takes Ctrl-C and Ctrl-D at its question for a no', async () => {
  const file = join(directory, 'asked.yaml');
  writeFileSync(file, (await run('get', 'config')).stdout.replace(/weight: \d+/, 'weight: 77'));
  for (const key of ['\u0003', '\u0004']) {
    // `script` gives it a terminal.
    const command = `${join(REPOSITORY, 'flotilla')} apply ${file} --server ${servers}`;
    const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
    let told = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (!told.includes('apply this?') && (told + text).includes('apply this?')) child.stdin.write(key);
      told += text;
    });
    const code = await new Promise((settle) => void child.once('close', settle));
    expect([code, told]).toEqual([1, expect.stringContaining('nothing was changed')]);
    expect(told).not.toMatch(/^ +at /m);
  }
});

it('ends with 64 where a value cannot be meant', async () => {
  for (const args of [
    ['sessions', '--limit', 'many'],
    ['watch', '--from', 'now'],
    ['weight', 'api/b1', '5', '--wait', 'longer'],
    ['drain', 'a/b/c'],
    ['drain', 'n1', '--deadline', '999999999999'],
    ['delete', 'backends', 'b1'],
    ['delete', 'pools', '../members/n1'],
    ['status', '--token', 'a\nb'],
    ['status', '--ca', '/etc/hostname'],
    ['backend', '--listen', 'nowhere'],
    ['demo', '--port-shift', '90000'],
    ['sim', '--nonsense'],
    ['sim', '--seeds', 'all'],
  ]) {
    const { code, stdout, stderr } = await run(...args);
    expect([code, stdout], `${args.join(' ')}: ${stderr}`).toEqual([64, '']);
    expect(stderr).not.toMatch(/^ +at /m);
  }
});

it('watches on through another node when the one that told it dies', async () => {
  const [first, second] = cluster.nodes;
  const watching = new FlotillaProcess(['watch', '--server', `${first!.api},${second!.api}`]);
  watching.start();
  let weight = 20;
  const isTold = async (): Promise<boolean> => {
    weight = 41 - weight;
    expect((await run('weight', 'api/b1', String(weight))).code).toBe(0);
    return watching.output.includes(`→ ${weight}`);
  };
  await waitFor('a change to be told', isTold, { timeoutMs: 20_000, everyMs: 100 });
  await first!.process.end('SIGKILL');
  expect((await run('weight', 'api/b1', '99')).code).toBe(0);
  await watching.waitForOutput(/config +revision \d+ by anonymous: backend api\/b1: weight \d+ → 99/);
  expect(watching.output).toContain('another server goes on from here');
  expect(await watching.end('SIGINT')).toMatchObject({ code: 0 });
  first!.process.start();
  await first!.waitReady();
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
