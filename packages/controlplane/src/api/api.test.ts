/**
 * The API of one node as a stranger meets it: its own description turned against it, watching with resume, waits that
 * end, a listener that cannot be bound.
 */
import { get } from 'node:http';
import { waitFor } from '@flotilla/shared/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestCluster, type TestNode } from '../testing/index.ts';

const DOCUMENT = {
  listeners: [{ name: 'web', port: 8080, protocol: 'http', routes: [{ match: {}, pool: 'api' }] }],
  pools: [{ name: 'api', health: { protocol: 'none' }, backends: [{ id: 'b1', address: '10.0.0.1:80' }] }],
};

let cluster: TestCluster;
let node: TestNode;
beforeEach(async () => {
  cluster = new TestCluster({ seedConfig: DOCUMENT });
  [node] = (await cluster.start(1)) as [TestNode];
  await node.whenReady();
});
afterEach(() => cluster.close());

const weigh = (weight: number, query = '') =>
  node.ask(`/v1/pools/api/backends/b1${query}`, { method: 'PATCH', body: { weight } });

/** A small generator with a seed: the same junk every time. */
function junk(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const VALUES: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1e308,
  1.5,
  '',
  'x',
  'a'.repeat(5_000),
  '\u0000',
  '\ud800',
  '../../etc',
  '%',
  [],
  [[]],
  {},
  { a: {} },
  { __proto__: 1 },
  { name: 'api', pools: 7 },
  { weight: 1e9, state: 'x' },
  { listeners: [null], pools: [[]] },
];

describe('the API against junk', () => {
  it('never answers 500, always answers in one form, and lives', async () => {
    const { body: description } = await node.ask('/openapi.json');
    const random = junk(7);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
    const paths = Object.entries(description.paths as Record<string, Record<string, unknown>>).filter(
      ([path]) => path !== '/v1/watch',
    );
    let asked = 0;
    for (let round = 0; round < 6; round += 1) {
      for (const [template, methods] of paths) {
        for (const method of Object.keys(methods)) {
          const path = template.replaceAll(/\{\w+\}/g, () =>
            encodeURIComponent(String(pick(['api', 'b1', 'web', 'n1', '0', 'ü', 'a b', '*']))),
          );
          const query =
            random() < 0.3
              ? `?${pick(['wait', 'dryRun', 'timeoutMs', 'force', 'x', 'limit', 'consistency'])}=${pick(['1', '-1', 'true', 'all', 'local', '', '%00'])}`
              : '';
          const bare = method === 'get' || method === 'head' || random() < 0.2;
          const headers: Record<string, string> =
            random() < 0.2 ? { 'if-match': pick(['"0"', '*', 'x', '"9999"']) } : {};
          // A drained or removed node would end the game.
          if (method === 'delete' && template.startsWith('/v1/members')) continue;
          const answer = await node.ask(path + query, {
            method: method.toUpperCase(),
            headers,
            ...(bare ? {} : { body: pick(VALUES) }),
          });
          asked += 1;
          const what = `${method} ${path}${query}: ${answer.status} ${answer.text.slice(0, 300)}`;
          expect(answer.status, what).not.toBe(500);
          const formed =
            answer.status < 400 || method === 'head' || (answer.body?.error ?? answer.body?.reasons) !== undefined;
          expect(formed, what).toBe(true);
        }
      }
    }
    expect(asked).toBeGreaterThan(150);
    expect((await node.ask('/live')).status).toBe(200);
  }, 60_000);
});

describe('watching', () => {
  function watch(from: number | null, lines: string[]): () => void {
    const { host, port } = node.settings.apiListen;
    const request = get(
      { host, port, path: `/v1/watch${from === null ? '' : `?from=${from}`}`, agent: false },
      (response) => {
        response.setEncoding('utf8');
        response.on('data', (text: string) => lines.push(...text.split('\n').filter((line) => line !== '')));
        response.on('error', () => undefined);
      },
    );
    request.on('error', () => undefined);
    return () => request.destroy();
  }

  it('tells changes as they happen and resumes after the last one seen', async () => {
    const lines: string[] = [];
    const stop = watch(null, lines);
    await waitFor('the stream', () => lines.length > 0);
    const first = (await weigh(5)).body.revision as number;
    await waitFor('the change', () => lines.includes(`id: ${first}`));
    expect(lines).toContain('event: config');
    stop();
    const second = (await weigh(6)).body.revision as number;
    const resumed: string[] = [];
    const stopAgain = watch(first, resumed);
    await waitFor('what was missed', () => resumed.includes(`id: ${second}`));
    expect(resumed).not.toContain(`id: ${first}`);
    stopAgain();
  });

  it('resumes on a node that was restarted meanwhile', async () => {
    const { revision } = (await weigh(5)).body;
    node = await cluster.restart(node);
    await node.whenReady();
    const next = (await weigh(6)).body.revision as number;
    const lines: string[] = [];
    const stop = watch(revision as number, lines);
    await waitFor('the change', () => lines.includes(`id: ${next}`));
    stop();
  });
});

describe('waiting', () => {
  it('ends with NOT_SERVED where a proxy thread does not follow, and the change stands', async () => {
    node.thread.acknowledge = false;
    const answer = await weigh(9, '?timeoutMs=50');
    expect([answer.status, answer.body.error.code]).toEqual([504, 'NOT_SERVED']);
    expect((await weigh(10, '?wait=commit')).status).toBe(200);
    expect((await node.ask('/v1/pools/api/backends/b1')).body.weight).toBe(10);
  });
});

describe('a listener that cannot be bound', () => {
  it('is told to whoever changed it, takes readiness away, and says which and why', async () => {
    node.thread.bindErrors.set(9090, 'EADDRINUSE');
    const listener = { ...DOCUMENT.listeners[0], name: 'other', port: 9090 };
    const written = await node.ask('/v1/listeners/other', { method: 'PUT', body: listener });
    expect([written.status, written.body.error.code], written.text).toEqual([504, 'NOT_SERVED']);
    expect(written.body.error.details).toEqual([{ path: 'n1', message: expect.stringContaining('EADDRINUSE') }]);
    const served = await node.ask('/v1/served?revision=1&listener=web&listener=other');
    expect(served.body).toEqual({ id: 'n1', served: true, faults: [written.body.error.details[0].message] });
    expect((await node.ask('/v1/served?revision=1&allListeners=true')).body.faults).toHaveLength(1);
    expect((await node.ask('/v1/served?revision=999999')).body).toEqual({ id: 'n1', served: false, faults: [] });
    const ready = await node.ask('/ready');
    expect(ready.status).toBe(503);
    expect(ready.body.reasons).toEqual(['listener other cannot bind port 9090: EADDRINUSE']);
    await node.ask('/v1/listeners/other', { method: 'DELETE' });
    await node.whenReady();
  });
});

describe('backup', () => {
  it('has the whole configuration and no secret unless asked', async () => {
    const answer = await node.ask('/v1/backup');
    expect(answer.body).toMatchObject({
      kind: 'flotilla-backup',
      secrets: false,
      config: { pools: [{ name: 'api' }] },
    });
  });
});
