/**
 * Story: private keys are encrypted with a key file that every node should have. A node that was forgotten does not serve
 * the certificate and says which key it lacks; given the file, it does. Where nothing could encrypt, a key is not taken.
 */
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CERTIFICATE_ONE, waitFor } from '@flotilla/shared/testing';
import { Cluster } from '../harness/cluster.ts';
import type { ClusterNode } from '../harness/cluster.ts';
import { flotilla } from '../harness/process.ts';

const directory = mkdtempSync(join(tmpdir(), 'flotilla-at-rest-'));
const keyFile = join(directory, 'key.txt');
/** A line from the middle of the key. */
const MARK = (CERTIFICATE_ONE.keyPem.split('\n')[2] ?? '').slice(4, 44);
let cluster: Cluster;

beforeAll(async () => {
  const { code, stdout } = await flotilla(['certs', 'key', keyFile]);
  if (code !== 0 || !stdout.includes(keyFile)) throw new Error(stdout);
  cluster = await Cluster.prepare({ backends: 1 });
  for (const { id, settingsFile } of cluster.nodes) {
    if (id !== 'n3') appendFileSync(settingsFile, `keyFile: ${keyFile}\n`);
  }
  await Promise.all(cluster.backends.map((backend) => backend.start()));
  for (const node of cluster.nodes) node.process.start();
  await Promise.all(cluster.nodes.map((node) => node.waitReady()));
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

/** Common name of the certificate that a node's listener shows; null where it shows none. */
function shown({ webPort }: ClusterNode): Promise<string | null> {
  return new Promise((settle) => {
    const socket = connect({ host: '127.0.0.1', port: webPort, rejectUnauthorized: false }, () => {
      const name = socket.getPeerCertificate().subject.CN;
      socket.destroy();
      settle(typeof name === 'string' ? name : null);
    });
    socket.on('error', () => settle(null));
  });
}

it('serves a certificate on the nodes that have the key, and says so on the one that has not', async () => {
  const [first, second, forgotten] = ['n1', 'n2', 'n3'].map((id) => cluster.node(id)) as [
    ClusterNode,
    ClusterNode,
    ClusterNode,
  ];
  const given = await first.call('PUT', '/v1/certificates/site', { body: CERTIFICATE_ONE });
  expect(given.status, JSON.stringify(given.body)).toBe(200);
  const listener = {
    port: 8080,
    protocol: 'https',
    tls: { certificates: ['site'] },
    routes: [{ match: {}, pool: 'api' }],
  };
  expect((await second.call('PUT', '/v1/listeners/web', { body: listener })).status).toBe(200);
  for (const node of [first, second])
    await waitFor('the certificate', async () => (await shown(node)) === 'one.example');
  const reason =
    /certificate site is not served: its private key is encrypted with key [0-9a-f]{8}; this node has no key/;
  await waitFor('the reason', async () => reason.test(String((await forgotten.call('GET', '/ready')).body.reasons)));
  await forgotten.process.waitForOutput(reason);
  expect(await shown(forgotten)).toBeNull();
  await cluster.converge();
});

it('serves it there, too, once the node has the key', async () => {
  const forgotten = cluster.node('n3');
  await forgotten.process.end();
  appendFileSync(forgotten.settingsFile, `keyFile: ${keyFile}\n`);
  forgotten.process.start();
  await forgotten.waitReady();
  expect(await shown(forgotten)).toBe('one.example');
});

it('leaves no trace of the key on any disk or in any log', () => {
  const files = readdirSync(cluster.directory, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const texts = files.map((entry) => readFileSync(join(entry.parentPath, entry.name)).toString('latin1'));
  expect(texts.some((text) => text.includes('SEALED PRIVATE KEY'))).toBe(true);
  for (const text of [...texts, ...cluster.nodes.map(({ process }) => process.output)])
    expect(text.includes(MARK)).toBe(false);
});

it('changes the key: rotate the file, restart one by one, encrypt anew, forget the old one', async () => {
  const servers = { FLOTILLA_SERVER: cluster.nodes.map(({ api }) => api).join(',') };
  const restartAll = async (): Promise<void> => {
    for (const node of cluster.nodes) {
      await node.process.end();
      node.process.start();
      await node.waitReady();
    }
  };
  expect((await flotilla(['certs', 'key', keyFile, '--rotate'])).code).toBe(0);
  await restartAll();
  const reseal = await flotilla(['certs', 'reseal', '--output', 'json'], { env: servers });
  expect(JSON.parse(reseal.stdout), reseal.stderr).toMatchObject({ resealed: ['site'] });
  writeFileSync(keyFile, `${readFileSync(keyFile, 'utf8').split('\n')[0]}\n`);
  await restartAll();
  for (const node of cluster.nodes) expect(await shown(node)).toBe('one.example');
});
