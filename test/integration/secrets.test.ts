/**
 * Story: secrets of every kind are given to a cluster, rightly and wrongly: tokens, the secret between nodes, keys of certificates,
 * the key that encrypts those. Then everything that the cluster says and keeps is searched for them: logs at their most
 * talkative, every answer of the API, refusals, the command line, history, audit, backups, the files of the store.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CERTIFICATE_ONE, CERTIFICATE_TWO } from '@flotilla/shared/testing';
import { apiOf } from '../harness/api.ts';
import { Cluster } from '../harness/cluster.ts';
import { flotilla } from '../harness/process.ts';

const directory = mkdtempSync(join(tmpdir(), 'flotilla-secrets-'));
const TOKEN = `token-${randomBytes(12).toString('hex')}`;
const WRONG_TOKEN = `wrong-${randomBytes(12).toString('hex')}`;
const SECRET = `secret-${randomBytes(12).toString('hex')}`;
const KEY = randomBytes(32);
/** The lines between the markers: what a key is, however it is quoted. */
const linesOf = (pem: string): string[] => pem.split('\n').filter((line) => line !== '' && !line.startsWith('-----'));
const PLANTED: readonly string[] = [
  TOKEN,
  WRONG_TOKEN,
  SECRET,
  KEY.toString('base64'),
  KEY.toString('hex'),
  ...linesOf(CERTIFICATE_ONE.keyPem),
  ...linesOf(CERTIFICATE_TWO.keyPem),
];

/** Which secrets a text or a file shows, as positions in the list: a failure must not print them either. */
const shownIn = (content: string | Buffer): number[] => {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(content);
  return PLANTED.flatMap((secret, at) => (bytes.includes(secret) ? [at] : []));
};

const heard = new Map<string, string>();
let cluster: Cluster;

beforeAll(async () => {
  const keyFile = join(directory, 'key.txt');
  writeFileSync(keyFile, `${KEY.toString('base64')}\n`);
  const settings = { apiTokens: `admin@alice:${TOKEN}`, clusterSecret: SECRET, keyFile, logLevel: 'trace' };
  cluster = await Cluster.start({ backends: 1, settings });
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

async function ask(method: string, path: string, body?: unknown, token = TOKEN): Promise<number> {
  const node = cluster.nodes[heard.size % cluster.nodes.length]!;
  const call = apiOf(`http://${node.api}`, { authorization: `Bearer ${token}` });
  const answer = await call(method, path, body === undefined ? {} : { body });
  heard.set(`${heard.size} ${method} ${path}: ${answer.status}`, JSON.stringify([answer.body, [...answer.headers]]));
  return answer.status;
}

it('takes secrets rightly and refuses them wrongly given', async () => {
  expect(await ask('PUT', '/v1/certificates/site?wait=all', CERTIFICATE_ONE)).toBe(200);
  expect(await ask('PUT', '/v1/certificates/site?dryRun=true', CERTIFICATE_TWO)).toBe(200);
  expect(await ask('PUT', '/v1/certificates/site', CERTIFICATE_TWO)).toBe(200);
  const { certPem, keyPem } = CERTIFICATE_ONE;
  const wrong: readonly (readonly [string, string, unknown])[] = [
    ['PUT', '/v1/certificates/site', { certPem: keyPem, keyPem: certPem }],
    ['PUT', '/v1/certificates/site', { certPem, keyPem: CERTIFICATE_TWO.keyPem }],
    ['PUT', '/v1/certificates/site', { certPem, keyPem, [keyPem]: keyPem }],
    ['PUT', '/v1/certificates/site', { certPem, keyPem: [keyPem] }],
    ['PUT', '/v1/config', { listeners: [], pools: [], certificates: [{ name: keyPem, certPem: '', keyPem }] }],
    ['PUT', '/v1/config', { certificates: keyPem }],
    ['PATCH', '/v1/certificates/site', { keyPem: keyPem.replace('PRIVATE', 'PUBLIC') }],
    ['PUT', '/v1/pools/api', { name: 'api', hash: keyPem, backends: [{ id: 'b1', address: keyPem }] }],
  ];
  for (const [method, path, body] of wrong) expect(await ask(method, path, body), path).toBeGreaterThanOrEqual(400);
  expect(await ask('GET', '/v1/config', undefined, WRONG_TOKEN)).toBe(401);
  expect(await ask('POST', '/v1/config/rollback', { revision: TOKEN })).toBe(400);
});

it('shows them in no answer, not even in a backup with keys, which has them encrypted', async () => {
  const { paths } = (await cluster.nodes[0]!.call('GET', '/openapi.json')).body as {
    paths: Record<string, { get?: unknown }>;
  };
  const readable = Object.entries(paths).flatMap(([path, { get }]) => (get === undefined ? [] : [path]));
  const { body } = await apiOf(`http://${cluster.nodes[0]!.api}`, { authorization: `Bearer ${TOKEN}` })(
    'GET',
    '/v1/config/history',
  );
  const revisions = (body.items as { revision: number }[]).map(({ revision }) => revision);
  for (const path of readable) {
    if (path === '/v1/watch') continue;
    for (const revision of path.includes('{revision}') ? revisions : [0]) {
      const fills = { name: 'site', revision: String(revision), id: 'n1', pool: 'api' } as Record<string, string>;
      await ask(
        'GET',
        path.replaceAll(/\{(\w+)\}/g, (_, name: string) => fills[name] ?? 'site'),
      );
    }
  }
  await ask('GET', '/v1/backup?secrets=true');
  expect(readable.length).toBeGreaterThan(20);
  for (const [what, text] of heard) expect(shownIn(text), what).toEqual([]);
});

it('shows them in no output of the command line', async () => {
  const server = cluster.nodes.map(({ api }) => api).join(',');
  const env = { FLOTILLA_SERVER: server, FLOTILLA_TOKEN: TOKEN };
  const file = join(directory, 'bad.yaml');
  writeFileSync(file, `certificates:\n  - name: site\n    keyPem: "${linesOf(CERTIFICATE_ONE.keyPem).join('')}\n  : ]`);
  const runs = [
    ['get', 'config'],
    ['history'],
    ['audit', '--output', 'json'],
    ['apply', '--yes', file],
    ['certs', 'reseal'],
    ['backup', '-'],
    ['node', '--node-id', 'n9', '--api-tokens', `root:${TOKEN}`, '--key', `${KEY.toString('hex')}00`],
  ];
  for (const args of runs) {
    const { stdout, stderr } = await flotilla(args, { env });
    expect(shownIn(stdout + stderr), args[0]).toEqual([]);
  }
});

it('writes them to no log and no file of the store', async () => {
  for (const { id, process } of cluster.nodes) expect(shownIn(process.output), id).toEqual([]);
  await Promise.all(cluster.nodes.map(({ process }) => process.end()));
  const files = cluster.nodes.flatMap(({ id }) =>
    readdirSync(join(cluster.directory, id), { recursive: true, encoding: 'utf8' }).map((name) =>
      join(cluster.directory, id, name),
    ),
  );
  const kept = files.filter((file) => statSync(file).isFile());
  expect(kept.length).toBeGreaterThan(cluster.nodes.length);
  for (const file of kept) expect(shownIn(readFileSync(file)), file).toEqual([]);
  // The search itself: what was configured is found where it was written by hand.
  expect(shownIn(readFileSync(cluster.nodes[0]!.settingsFile))).toEqual([0, 2]);
});
