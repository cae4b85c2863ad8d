/**
 * Story of a private key: given once, served by the proxy threads, and found nowhere else: not in answers, history, audit,
 * backup, errors, nor on the disk. A node without the right key says so, and rotation is one request.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CERTIFICATE_ONE as ONE, CERTIFICATE_TWO as TWO, waitFor } from '@flotilla/shared/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { TestCluster, type TestNode } from '../testing/index.ts';

const FIRST = '01'.repeat(32);
const SECOND = '02'.repeat(32);
const LISTENER = {
  name: 'secure',
  port: 8443,
  protocol: 'https',
  tls: { certificates: ['site'] },
  routes: [{ match: {}, redirect: { scheme: 'https' } }],
};
/** A line from the middle of the key: enough to find it again. */
const MARK = (ONE.keyPem.split('\n')[2] ?? '').slice(4, 44);

let cluster: TestCluster;
afterEach(() => cluster.close());

async function start(settings: ConstructorParameters<typeof TestCluster>[0]): Promise<TestNode> {
  cluster = new TestCluster(settings);
  const [node] = (await cluster.start(1)) as [TestNode];
  await node.whenReady();
  return node;
}

const give = (node: TestNode, headers = {}) =>
  node.ask('/v1/certificates/site', { method: 'PUT', body: { ...ONE }, headers });

const served = (node: TestNode) => node.thread.snapshot?.certificates.map(({ name, keyPem }) => [name, keyPem]);

function onDisk(directory: string): string {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map((entry) => readFileSync(join(entry.parentPath, entry.name)).toString('latin1')).join('');
}

describe('a private key', () => {
  it('is served, and found nowhere but in the memory of the threads', async () => {
    const node = await start({ keys: [FIRST] });
    const put = await give(node, { 'idempotency-key': 'once' });
    expect(put.status, put.text).toBe(200);
    expect(served(node)).toEqual([['site', ONE.keyPem]]);
    const again = await give(node, { 'idempotency-key': 'once' });
    expect(again.body).toMatchObject({ revision: put.body.revision, replayed: true });
    expect((await give(node)).body.changed, 'the same key again changes nothing').toBe(false);
    await node.ask('/v1/listeners/secure', { method: 'PUT', body: LISTENER });
    const wrong = await node.ask('/v1/certificates/site', {
      method: 'PUT',
      body: { certPem: TWO.certPem, keyPem: ONE.keyPem },
    });
    expect(wrong.status, 'the key of another certificate').toBe(422);
    const kept = await node.ask('/v1/certificates/site?dryRun=true', {
      method: 'PATCH',
      body: { certPem: TWO.certPem },
    });
    expect(kept.status, 'a kept key is checked, too').toBe(422);
    const answers = [put, again, wrong, kept];
    for (const path of [
      '/v1/config',
      '/v1/certificates',
      '/v1/certificates/site',
      `/v1/config/history/${put.body.revision}`,
      '/v1/config/history',
      '/v1/audit',
      '/v1/backup',
      '/v1/backup?secrets=true',
      '/metrics',
    ]) {
      answers.push(await node.ask(path));
      expect(answers.at(-1)?.status, path).toBe(200);
    }
    for (const { text } of answers) expect(text).not.toContain(MARK);
    expect(onDisk(node.settings.dataDir).includes('SEALED PRIVATE KEY')).toBe(true);
    expect(onDisk(node.settings.dataDir).includes(MARK)).toBe(false);
  });

  it('comes back from a backup, under the same key only', async () => {
    const node = await start({ keys: [FIRST] });
    await give(node);
    const { body } = await node.ask('/v1/backup?secrets=true');
    await node.ask('/v1/config', { method: 'PUT', body: {} });
    expect(served(node)).toEqual([]);
    expect((await node.ask('/v1/config', { method: 'PUT', body: body.config })).status).toBe(200);
    expect(served(node)).toEqual([['site', ONE.keyPem]]);
    const tampered = JSON.parse(JSON.stringify(body.config).replaceAll('site', 'other')) as object;
    const refused = await node.ask('/v1/config', { method: 'PUT', body: tampered });
    expect([refused.status, refused.body.error.details[0].path]).toEqual([422, 'certificates[0].keyPem']);
  });

  it('that a node cannot decrypt is not served there; the node is not ready and says why', async () => {
    const node = await start({ keys: [FIRST] });
    await give(node);
    const lost = await cluster.restart(node, { keys: [SECOND] });
    const reason = /^certificate site is not served: its private key is encrypted with key [0-9a-f]{8}; this node has/;
    await waitFor('the reason', async () => reason.test((await lost.ask('/ready')).body.reasons[0]));
    expect(served(lost)).toEqual([]);
    const found = await cluster.restart(lost, { keys: [SECOND, FIRST] });
    await found.whenReady();
    expect(served(found)).toEqual([['site', ONE.keyPem]]);
    const resealed = await found.ask('/v1/certificates/reseal', { method: 'POST' });
    expect(resealed.body).toMatchObject({ resealed: ['site'] });
    expect((await found.ask('/v1/certificates/reseal', { method: 'POST' })).body.resealed).toEqual([]);
    const rotated = await cluster.restart(found, { keys: [SECOND] });
    await rotated.whenReady();
    expect(served(rotated)).toEqual([['site', ONE.keyPem]]);
  });
});
