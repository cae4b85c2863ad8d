/**
 * Story: the API of a cluster speaks https with certificates of its own CA. The command line trusts that CA; the nodes check
 * one another when they ask for something; tokens come from a file and change under SIGHUP, without a restart.
 */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { Cluster } from '../harness/cluster.ts';
import { flotilla } from '../harness/process.ts';

const directory = mkdtempSync(join(tmpdir(), 'flotilla-api-tls-'));
const tokens = join(directory, 'tokens');
const ca = join(directory, 'ca.pem');
let cluster: Cluster;
let servers = '';

beforeAll(async () => {
  await flotilla(['certs', 'init', '--dir', directory]);
  writeFileSync(tokens, 'admin@alice:alpha\nviewer:vega\n');
  cluster = await Cluster.prepare({ backends: 1, settings: { tlsCa: ca, apiTokensFile: tokens } });
  for (const { id, settingsFile } of cluster.nodes) {
    // n2 is reached by its address, which its certificate does not name: its id is good enough for the other nodes.
    await flotilla(['certs', 'issue', id, '--dir', directory, ...(id === 'n2' ? [] : ['--host', '127.0.0.1'])]);
    const [cert, key] = [join(directory, `${id}.pem`), join(directory, `${id}-key.pem`)];
    appendFileSync(settingsFile, `tlsCert: ${cert}\ntlsKey: ${key}\napiTlsCert: ${cert}\napiTlsKey: ${key}\n`);
  }
  await Promise.all(cluster.backends.map((backend) => backend.start()));
  for (const node of cluster.nodes) node.process.start();
  servers = cluster.nodes
    .filter(({ id }) => id !== 'n2')
    .map(({ api }) => `https://${api}`)
    .join(',');
  const ready = async (): Promise<boolean> => {
    const { stdout } = await run('alpha', 'members', '--output', 'json');
    const { items } = JSON.parse(stdout) as { items: { ready: boolean }[] };
    return items.length === 3 && items.every((item) => item.ready);
  };
  await waitFor('three ready nodes', ready, { timeoutMs: 30_000, everyMs: 200 });
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

const run = (token: string, ...args: string[]) =>
  flotilla([...args, '--server', servers, '--ca', ca, '--token', token]);

it('serves those who trust its CA, and nobody else', async () => {
  expect((await run('alpha', 'status')).code).toBe(0);
  const blind = await flotilla(['status', '--server', servers, '--token', 'alpha', '--retry-for', '0']);
  expect(blind.code).toBe(69);
  expect(blind.stderr).toMatch(/certificate/);
});

it('is told by the command line with the option that was forgotten', async () => {
  const asked = ['status', '--server', servers, '--retry-for', '0'];
  expect((await flotilla([...asked, '--token', 'alpha'])).stderr).toContain('--ca FILE or FLOTILLA_CA');
  expect((await flotilla([...asked, '--ca', ca])).stderr).toContain('--token or FLOTILLA_TOKEN');
  const plain = await flotilla([
    'weight',
    'api/b1',
    '5',
    '--server',
    servers.replaceAll('https://', ''),
    '--retry-for',
    '0',
  ]);
  expect([plain.code, plain.stderr]).toEqual([69, expect.stringContaining('https:// instead of http://?')]);
});

it('lets nodes ask one another: all serve a change, and any hands leadership over', async () => {
  const weighed = await run('alpha', 'weight', 'api/b1', '7');
  expect(weighed.code, weighed.stderr).toBe(0);
  for (const to of ['n1', 'n3', 'n2']) {
    const { code, stderr } = await run('alpha', 'transfer', to);
    expect(code, stderr).toBe(0);
  }
});

it('takes tokens from the file anew when told to, keeps the old ones where the new ones are wrong', async () => {
  const reload = (text: string): void => {
    writeFileSync(tokens, text);
    for (const { process } of cluster.nodes) process.signal('SIGHUP');
  };
  expect((await run('beta', 'status', '--retry-for', '0')).stderr).toContain('UNAUTHENTICATED');
  reload('admin@bob:beta\n');
  await waitFor('the new token', async () => (await run('beta', 'status')).code === 0, { everyMs: 200 });
  await waitFor('the end of the old one', async () => (await run('alpha', 'status')).code === 1, { everyMs: 200 });
  expect((await run('beta', 'weight', 'api/b1', '8')).code).toBe(0);
  const audit = await run('beta', 'audit', '--output', 'json');
  expect(audit.stdout).toContain('"author": "admin@bob"');
  reload('root:beta\n');
  for (const { process } of cluster.nodes) await process.waitForOutput('tokens and certificates stay as they are');
  reload('');
  for (const { process } of cluster.nodes) await process.waitForOutput('no token is left');
  expect((await run('beta', 'status')).code).toBe(0);
  expect(cluster.nodes.map(({ process }) => process.output).join()).not.toMatch(/beta|alpha/);
});
