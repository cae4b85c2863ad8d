/**
 * Limits of every input, faults of all kinds in one answer, and who is told to have made which change.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestCluster, type TestNode, testToken } from '../testing/index.ts';

const DOCUMENT = {
  listeners: [{ name: 'web', port: 8080, protocol: 'http', routes: [{ match: {}, pool: 'api' }] }],
  pools: [{ name: 'api', health: { protocol: 'none' }, backends: [{ id: 'b1', address: '10.0.0.1:80' }] }],
};

let cluster: TestCluster;
let node: TestNode;
beforeAll(async () => {
  cluster = new TestCluster({
    tokens: [testToken('admin', 'alpha', 'alice'), testToken('operator', 'orion')],
    seedConfig: DOCUMENT,
  });
  [node] = (await cluster.start(1)) as [TestNode];
  await node.whenReady();
});
afterAll(() => cluster.close());

const ask = (path: string, method = 'GET', body?: unknown, headers: Record<string, string> = {}) =>
  node.ask(path, { method, body, headers: { authorization: 'Bearer alpha', ...headers } });

describe('a document', () => {
  it('with faults of shape and of relations is answered with both', async () => {
    const broken = {
      listeners: [{ name: 'web', port: 99_999, protocol: 'http', routes: [{ match: {}, pool: 'nowhere' }] }],
      pools: [{ name: 'api', backends: [{ id: 'b1', address: '10.0.0.1:80', weight: -1 }] }],
    };
    for (const query of ['', '?dryRun=true']) {
      const { status, body } = await ask(`/v1/config${query}`, 'PUT', broken);
      expect(status).toBe(422);
      expect(body.error.details.map(({ path }: { path: string }) => path)).toEqual([
        'listeners[0].port',
        'pools[0].backends[0].weight',
        'listeners[0].routes[0].pool',
      ]);
    }
  });

  it('that has more faults than anybody reads is answered with a bound and the number', async () => {
    const listeners = Array.from({ length: 900 }, () => ({ name: 'X', port: 'x', colour: 1 }));
    const { status, body } = await ask('/v1/config', 'PUT', { listeners });
    expect(status).toBe(422);
    expect(body.error.details.length).toBeLessThanOrEqual(1_001);
    expect(body.error.details.at(-1).message).toMatch(/^and \d+ more faults$/);
  });
});

describe('a parameter that cannot be meant', () => {
  const weight = '/v1/pools/api/backends/b1';
  const cases = [
    {
      path: `${weight}?wait=x`,
      method: 'PATCH',
      body: {},
      fields: ['querystring.wait'],
      words: 'commit, applied, all',
    },
    {
      path: '/v1/members/n1/drain',
      method: 'PUT',
      body: { deadlineMs: 1e12 },
      fields: ['body.deadlineMs'],
      words: '<= 86400000',
    },
    { path: '/v1/explain?listener=web&header=x', method: 'GET', fields: ['querystring.header'], words: 'pattern' },
    { path: '/v1/explain?listener=web&clientIp=me', method: 'GET', fields: [], words: '"me" is no IP address' },
  ];
  it.each(cases)('is explained by what was meant alone: $path', async ({ path, method, body, fields, words }) => {
    const answer = await ask(path, method, body);
    expect(answer.status).toBe(400);
    expect(answer.body.error.message).toContain(words);
    expect(answer.body.error.details.map(({ path: at }: { path: string }) => at)).toEqual(fields);
  });
});

describe('limits', () => {
  const nested = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
  const cases: readonly (readonly [string, string, { body: unknown; headers?: Record<string, string> }, number])[] = [
    ['a body of 17 MiB', '/v1/config', { body: `"${'a'.repeat(17 * 1024 * 1024)}"` }, 413],
    ['a body of forty levels', '/v1/config', { body: nested(40) }, 400],
    ['a body of ten thousand levels', '/v1/config', { body: nested(10_000) }, 400],
    ['more listeners than fit', '/v1/config', { body: { listeners: Array.from({ length: 1_001 }, () => ({})) } }, 422],
    ['more backends than fit', '/v1/pools/api', { body: { backends: Array.from({ length: 60_000 }, () => 1) } }, 422],
    ['a name that is too long', `/v1/pools/${'a'.repeat(64)}`, { body: {} }, 400],
    ['a parameter that is far too long', `/v1/pools/${'a'.repeat(5_000)}`, { body: {} }, 413],
    ['a head that is too large', '/v1/pools/api', { body: {}, headers: { 'x-large': 'a'.repeat(20_000) } }, 413],
    [
      'an idempotency key that is too long',
      '/v1/config',
      { body: DOCUMENT, headers: { 'idempotency-key': 'k'.repeat(201) } },
      400,
    ],
  ];
  it.each(cases)('refuse %s and change nothing', async (_name, path, { body, headers = {} }, expected) => {
    const before = (await ask('/v1/config')).text;
    const { status, body: answer } = await ask(path, 'PUT', body, headers);
    expect(status).toBe(expected);
    expect(typeof answer.error.code).toBe('string');
    expect((await ask('/v1/config')).text).toBe(before);
  });

  it('hold for YAML, which grows when it is read', async () => {
    const lines = Array.from({ length: 12 }, (_, at) => `a${at + 1}: &a${at + 1} [*a${at}, *a${at}, *a${at}, *a${at}]`);
    const bomb = `a0: &a0 [x, x, x, x]\n${lines.join('\n')}\n`;
    const { status, body } = await ask('/v1/config', 'PUT', bomb, { 'content-type': 'application/yaml' });
    expect([status, body.error.code]).toEqual([400, 'BAD_REQUEST']);
  });
});

describe('the audit trail', () => {
  it('says who, from where, what and when, for every kind of change, and nothing of what was refused', async () => {
    const operator = { authorization: 'Bearer orion' };
    const changes: readonly (readonly [string, string, unknown, Record<string, string>, string])[] = [
      ['PATCH', '/v1/pools/api/backends/b1', { weight: 7 }, operator, 'backend.set'],
      ['PUT', '/v1/pools/api/backends/b2', { address: '10.0.0.2:80' }, {}, 'resource.put'],
      ['PATCH', '/v1/pools/api', { slowStartMs: 5 }, {}, 'resource.patch'],
      ['DELETE', '/v1/pools/api/backends/b2', undefined, {}, 'resource.delete'],
      ['PUT', '/v1/config', DOCUMENT, {}, 'config.replace'],
      ['PUT', '/v1/members/n1/drain?force=true', { reason: 'test' }, operator, 'drain.set'],
      ['DELETE', '/v1/members/n1/drain', undefined, operator, 'drain.cancel'],
    ];
    const startedIndex = (await ask('/v1/status')).body.appliedIndex as number;
    for (const [method, path, body, headers] of changes) {
      const { status, text } = await ask(path, method, body, headers);
      expect(status, text).toBe(200);
    }
    expect((await ask('/v1/pools/none', 'DELETE')).status).toBe(404);
    expect((await ask('/v1/config', 'PUT', DOCUMENT, operator)).status).toBe(403);
    interface Row {
      readonly index: number;
      readonly timeMs: number;
      readonly author: string;
      readonly source: string;
      readonly action: string;
    }
    const rows = ((await ask('/v1/audit')).body.items as Row[])
      // What nodes do by themselves is told, too, in their own name.
      .filter(({ index, author }) => index > startedIndex && !author.startsWith('node:'))
      .reverse();
    expect(rows.map(({ action }) => action)).toEqual(changes.map(([, , , , action]) => action));
    for (const [at, { author, source, timeMs }] of rows.entries()) {
      const byOperator = changes[at]?.[3] === operator;
      expect(author).toMatch(byOperator ? /^operator:[0-9a-f]{8}$/ : /^admin@alice$/);
      expect(source).toBe('127.0.0.1');
      expect(Math.abs(Date.now() - timeMs)).toBeLessThan(60_000);
    }
    expect(JSON.stringify(rows)).not.toMatch(/alpha|orion/);
  });
});
