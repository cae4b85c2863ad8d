/**
 * Story: the authority of a running cluster is replaced, and with it every certificate of its nodes and their APIs, under
 * traffic and without a restart: both authorities are trusted for a while, SIGHUP makes each node read its files again. What
 * cannot be used is refused and changes nothing; what ends soon is told beforehand.
 */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { Cluster, targetsOf } from '../harness/cluster.ts';
import type { ClusterNode } from '../harness/cluster.ts';
import { flotilla } from '../harness/process.ts';
import { Traffic } from '../harness/traffic.ts';

const directory = mkdtempSync(join(tmpdir(), 'flotilla-renewal-'));
const [former, next] = [join(directory, 'former'), join(directory, 'next')];
const inUse = (name: string): string => join(directory, name);
let cluster: Cluster;
let ca = join(former, 'ca.pem');

async function certs(...args: string[]): Promise<void> {
  const { code, stderr } = await flotilla(['certs', ...args]);
  expect(code, stderr).toBe(0);
}

/** Puts the certificate of a node where its settings look for it. */
function install(id: string, folder: string): void {
  for (const file of [`${id}.pem`, `${id}-key.pem`]) copyFileSync(join(folder, file), inUse(file));
}

async function renew(node: ClusterNode): Promise<void> {
  const seen = node.process.output.length;
  node.process.signal('SIGHUP');
  const told = (): boolean => node.process.output.slice(seen).includes('tokens and certificates were read again');
  await waitFor(`${node.id} to have read its files again`, told, { timeoutMs: 20_000 });
}

/** Fingerprint of the certificate that a port shows to one who comes with the certificate of n1. */
function shownAt(port: number): Promise<string> {
  const [cert, key] = [readFileSync(inUse('n1.pem')), readFileSync(inUse('n1-key.pem'))];
  return new Promise((settle, reject) => {
    const socket = connect({ host: '127.0.0.1', port, cert, key, rejectUnauthorized: false }, () => {
      settle(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

const run = (...args: string[]) =>
  flotilla([...args, '--server', cluster.nodes.map(({ api }) => `https://${api}`).join(','), '--ca', ca]);
const raftPortOf = (node: ClusterNode): number =>
  Number(/^raftListen: 127\.0\.0\.1:(\d+)$/m.exec(readFileSync(node.settingsFile, 'utf8'))?.[1]);
const portOf = (address: string): number => Number(address.split(':')[1]);

async function readyMembers(): Promise<number> {
  const { stdout } = await run('members', '--output', 'json');
  return (JSON.parse(stdout) as { items: { ready: boolean }[] }).items.filter(({ ready }) => ready).length;
}

const allReady = (): Promise<boolean> =>
  waitFor('three ready nodes', async () => (await readyMembers()) === 3, { timeoutMs: 30_000, everyMs: 200 });

beforeAll(async () => {
  for (const folder of [former, next]) await certs('init', '--dir', folder);
  copyFileSync(ca, inUse('ca.pem'));
  const settings = { tlsCa: inUse('ca.pem') };
  cluster = await Cluster.prepare({ backends: 1, settings });
  for (const { id, settingsFile } of cluster.nodes) {
    await certs('issue', id, '--dir', former, '--host', '127.0.0.1');
    await certs('issue', id, '--dir', next, '--host', '127.0.0.1', '--days', '3');
    install(id, former);
    const [cert, key] = [inUse(`${id}.pem`), inUse(`${id}-key.pem`)];
    const own = `tlsCert: ${cert}\ntlsKey: ${key}\napiTlsCert: ${cert}\napiTlsKey: ${key}\n`;
    writeFileSync(settingsFile, `${readFileSync(settingsFile, 'utf8')}${own}`);
  }
  await Promise.all(cluster.backends.map((backend) => backend.start()));
  for (const node of cluster.nodes) node.process.start();
  await allReady();
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

it('refuses files that do not fit, says which, and goes on with what it has', async () => {
  const node = cluster.node('n1');
  const before = await shownAt(portOf(node.api));
  const refused = async (reason: RegExp): Promise<void> => {
    const seen = node.process.output.length;
    node.process.signal('SIGHUP');
    const told = (): boolean => reason.test(node.process.output.slice(seen));
    await waitFor(String(reason), told, { timeoutMs: 20_000 });
  };
  copyFileSync(join(former, 'n2-key.pem'), inUse('n1-key.pem'));
  await refused(/is not the key of the first certificate.*certificates stay as they are/);
  install('n1', former);
  for (const file of ['', '-key']) copyFileSync(join(former, `n2${file}.pem`), inUse(`n1${file}.pem`));
  await refused(/stay as they are: the certificate does not name n1 but CN=n2/);
  writeFileSync(inUse('n1.pem'), 'junk');
  await refused(/tlsCert.*has no complete PEM certificate/);
  install('n1', former);
  expect(await shownAt(portOf(node.api))).toBe(before);
});

it('replaces authority and certificates of all nodes under traffic, without a restart', async () => {
  const traffic = new Traffic({ targets: targetsOf(cluster.nodes) }).start();
  const started = await run('status', '--output', 'json');
  const { startedAt } = (JSON.parse(started.stdout) as { node: { startedAt: string } }).node;
  // First everybody trusts both, then each shows the new one, then the former one is trusted no more.
  writeFileSync(
    inUse('ca.pem'),
    readFileSync(join(former, 'ca.pem'), 'utf8') + readFileSync(join(next, 'ca.pem'), 'utf8'),
  );
  for (const node of cluster.nodes) await renew(node);
  ca = inUse('ca.pem');
  for (const node of cluster.nodes) {
    const before = [await shownAt(raftPortOf(node)), await shownAt(portOf(node.api))];
    install(node.id, next);
    await renew(node);
    const after = [await shownAt(raftPortOf(node)), await shownAt(portOf(node.api))];
    expect(after[0]).not.toBe(before[0]);
    expect(after[1]).toBe(after[0]);
  }
  copyFileSync(join(next, 'ca.pem'), inUse('ca.pem'));
  for (const node of cluster.nodes) await renew(node);
  await allReady();
  const ended = await run('status', '--output', 'json');
  expect((JSON.parse(ended.stdout) as { node: { startedAt: string } }).node.startedAt).toBe(startedAt);
  expect(await traffic.stop()).toMatchObject({ failed: 0, wrong: 0, faults: [] });
});

it('connects anew by the new certificates alone: a node that restarts is a member again, one with a former one is not', async () => {
  const node = cluster.node('n3');
  await node.process.end();
  node.process.start();
  await allReady();
  expect((await run('weight', 'api/b1', '9')).code).toBe(0);
  await node.process.end();
  install('n3', former);
  const first = cluster.node('n1');
  const seen = first.process.output.length;
  node.process.start();
  const refused = (): boolean => first.process.output.slice(seen).includes('BAD_CERTIFICATE');
  await waitFor('the refusal of a certificate of the former authority', refused, { timeoutMs: 20_000 });
  await node.process.end();
  install('n3', next);
  node.process.start();
  await allReady();
});

it('tells beforehand which certificates end soon: in status, in the log and as a metric', async () => {
  const { stdout } = await run('status');
  expect(stdout).toMatch(/the node certificate CN=n\d expires in 2 days, on .*SIGHUP/);
  expect(stdout).toMatch(/the api certificate CN=n\d expires in 2 days/);
  expect(cluster.node('n1').process.output).toContain('the node certificate CN=n1 expires in 2 days');
  const metrics = await new Promise<string>((settle, reject) => {
    const [host, port] = ['127.0.0.1', portOf(cluster.node('n1').api)];
    const socket = connect({ host, port, rejectUnauthorized: false }, () =>
      socket.write('GET /metrics HTTP/1.1\r\nhost: n1\r\nconnection: close\r\n\r\n'),
    );
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
    socket.on('end', () => settle(text));
    socket.on('error', reject);
  });
  const end = /flotilla_certificate_expiry_timestamp_seconds\{use="node",name="CN=n1"\} (\d+)/.exec(metrics)?.[1];
  expect((Number(end) * 1_000 - Date.now()) / 86_400_000).toBeGreaterThan(2);
  expect((Number(end) * 1_000 - Date.now()) / 86_400_000).toBeLessThanOrEqual(3);
  expect(metrics).toContain('use="authority",name="CN=flotilla cluster CA"');
});
