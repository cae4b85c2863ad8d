/**
 * Story: an operator makes a private CA and three certificates with `./flotilla certs`; three nodes trust one another by
 * them alone. A node with a certificate of another CA, or with another node's, stays outside, and both sides say why.
 */
import { appendFileSync, mkdtempSync, rmSync, statSync, writeFileSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CERTIFICATE_ONE, waitFor } from '@flotilla/shared/testing';
import { Cluster } from '../harness/cluster.ts';
import type { ClusterNode } from '../harness/cluster.ts';
import { flotilla } from '../harness/process.ts';

const directory = mkdtempSync(join(tmpdir(), 'flotilla-certs-'));
const ours = join(directory, 'ours');
const theirs = join(directory, 'theirs');
let cluster: Cluster;

async function certs(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await flotilla(['certs', ...args]);
  expect(code, stderr).toBe(0);
  return stdout;
}

/** The settings as `certs issue` printed them, for the node's file. */
function use(node: ClusterNode, base: string, folder: string, name: string): void {
  const files = {
    tlsCa: join(folder, 'ca.pem'),
    tlsCert: join(folder, `${name}.pem`),
    tlsKey: join(folder, `${name}-key.pem`),
  };
  writeFileSync(node.settingsFile, base);
  appendFileSync(
    node.settingsFile,
    Object.entries(files)
      .map(([key, path]) => `${key}: ${path}\n`)
      .join(''),
  );
}

const bases = new Map<string, string>();

beforeAll(async () => {
  for (const folder of [ours, theirs]) await certs('init', '--dir', folder);
  cluster = await Cluster.prepare({ backends: 1 });
  for (const node of cluster.nodes) {
    await certs('issue', node.id, '--dir', ours, '--host', '127.0.0.1');
    bases.set(node.id, readFileSync(node.settingsFile, 'utf8'));
    use(node, bases.get(node.id)!, ours, node.id);
  }
  await certs('issue', 'n3', '--dir', theirs);
  await Promise.all(cluster.backends.map((backend) => backend.start()));
  for (const node of cluster.nodes) node.process.start();
  await Promise.all(cluster.nodes.map((node) => node.waitReady()));
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

it('keeps keys to their owner and overwrites nothing unasked', async () => {
  for (const name of ['ca', 'n1']) expect(statSync(join(ours, `${name}-key.pem`)).mode & 0o777).toBe(0o600);
  const again = await flotilla(['certs', 'issue', 'n1', '--dir', ours]);
  expect(again.code).toBe(1);
  expect(again.stderr).toContain('--force');
  expect((await flotilla(['certs', 'init', '--dir', ours])).code).toBe(1);
  expect((await flotilla(['certs', 'issue', 'n9', '--dir', join(directory, 'none')])).stderr).toContain('certs init');
});

it('prints the settings that use a certificate', async () => {
  const printed = await certs('issue', 'n9', '--dir', theirs, '--days', '1');
  const file = (name: string): string => join(theirs, name);
  expect(printed.trim().split('\n')).toEqual([
    `FLOTILLA_TLS_CA=${file('ca.pem')}`,
    `FLOTILLA_TLS_CERT=${file('n9.pem')}`,
    `FLOTILLA_TLS_KEY=${file('n9-key.pem')}`,
  ]);
});

it('shows whom they name and who signed them', async () => {
  const { items } = JSON.parse(await certs('show', '--dir', ours, '--output', 'json')) as {
    items: { subject: string; names: string; isAuthority: boolean; trusted: boolean | null }[];
  };
  expect(items.map(({ subject }) => subject)).toEqual(['CN=flotilla cluster CA', 'CN=n1', 'CN=n2', 'CN=n3']);
  expect(items[1]).toMatchObject({ names: 'DNS:n1, IP Address:127.0.0.1', isAuthority: false, trusted: true });
  expect(await certs('show', join(theirs, 'n3.pem'), '--dir', ours)).toContain('NOT signed by the CA');
});

it('forms a cluster and replicates', async () => {
  const answer = await cluster.node('n2').call('PATCH', '/v1/pools/api/backends/b1?wait=all', { body: { weight: 42 } });
  expect(answer.status).toBe(200);
  await cluster.converge();
});

it('keeps no private key that it could not encrypt', async () => {
  const { status, body } = await cluster.node('n1').call('PUT', '/v1/certificates/site', { body: CERTIFICATE_ONE });
  expect([status, body.error.details[0].path]).toEqual([422, 'keyPem']);
  expect(body.error.details[0].message).toContain('FLOTILLA_KEY_FILE');
});

it.each([
  ['of another CA', theirs, 'n3'],
  ['of another node', ours, 'n2'],
])('refuses a node with a certificate %s, and says so on both sides', async (_name, folder, name) => {
  const [node, first] = [cluster.node('n3'), cluster.node('n1')];
  await node.process.end();
  const seen = [first, node].map(({ process }) => process.output.length);
  use(node, bases.get('n3')!, folder, name);
  node.process.start();
  const refusal =
    /BAD_CERTIFICATE[^\n]*its certificate is not of the CA of this node, is expired or names another node/;
  for (const [at, { id, process }] of [first, node].entries()) {
    const told = (): boolean => refusal.test(process.output.slice(seen[at]));
    await waitFor(`the refusal in the log of ${id}`, told, { timeoutMs: 20_000 });
  }
  const { role, quorum } = await node.status();
  expect({ role, quorum }).toEqual({ role: expect.stringMatching(/follower|candidate/), quorum: false });
});

it('takes the node back with its own certificate', async () => {
  const node = cluster.node('n3');
  await node.process.end();
  use(node, bases.get('n3')!, ours, 'n3');
  node.process.start();
  await node.waitReady();
  await waitFor('a quorum seen by n3', async () => (await node.status()).quorum, { timeoutMs: 20_000 });
  await cluster.converge();
});
