/** What proxy threads get: everything explicit, in the order of the document, with verdicts, slots and log times. */
import { describe, expect, it } from 'vitest';
import { backendDelta, compileRouting } from './index.ts';
import { sampleDocument, TestLog } from './testing/log.ts';

function compiled(document: object) {
  const log = new TestLog();
  expect(log.run({ type: 'config.replace', document })).toMatchObject({ ok: true });
  return compileRouting(log.state);
}

describe('a routing snapshot', () => {
  it('is empty before there is a configuration', () => {
    expect(compileRouting(new TestLog().state)).toEqual({
      index: 0,
      revision: 0,
      logTimeMs: 0,
      listeners: [],
      pools: [],
      certificates: [],
      settings: { viaName: 'flotilla', affinityKey: '' },
    });
  });

  it('has shares in percent, header edits as lists, hosts in lower case', () => {
    const routes = [
      {
        match: { host: '*.Example.COM', header: { 'x-b': '1', 'x-a': '2' } },
        pool: 'api',
        split: [{ pool: 'v2', weight: 10 }],
        headers: { set: { 'x-z': '1' }, remove: ['x-y'], response: { remove: ['server'] } },
      },
      { redirect: { scheme: 'https' } },
    ];
    const snapshot = compiled({
      listeners: [{ name: 'web', port: 80, protocol: 'http', routes }],
      pools: [{ name: 'api' }, { name: 'v2' }],
    });
    expect(snapshot.listeners[0]?.routes).toEqual([
      {
        match: {
          host: '*.example.com',
          pathPrefix: null,
          path: null,
          method: null,
          headers: [
            { name: 'x-a', value: '2' },
            { name: 'x-b', value: '1' },
          ],
          sni: null,
        },
        action: {
          type: 'pool',
          split: [
            { pool: 'api', weight: 90 },
            { pool: 'v2', weight: 10 },
          ],
        },
        rewrite: { pathPrefix: null, host: null },
        headers: {
          request: { set: [{ name: 'x-z', value: '1' }], remove: ['x-y'] },
          response: { set: [], remove: ['server'] },
        },
      },
      expect.objectContaining({
        action: { type: 'redirect', scheme: 'https', host: null, path: null, status: 308 },
      }),
    ]);
  });

  it.each([
    ['source-ip', { on: 'source-ip' }],
    ['path', { on: 'path' }],
    ['header:x-user', { on: 'header', name: 'x-user' }],
    ['cookie:sid', { on: 'cookie', name: 'sid' }],
    ['query:q', { on: 'query', name: 'q' }],
  ])('hashes on %s', (on, hash) => {
    expect(compiled({ pools: [{ name: 'api', hash: { on } }] }).pools[0]?.hash).toEqual(hash);
  });

  it.each([
    [{ type: 'cookie' }, 'FLOTILLA'],
    [{ type: 'cookie', name: 'sid' }, 'sid'],
    [{ type: 'source-ip', name: 'ignored' }, ''],
    [{ type: 'header', name: 'x-user' }, 'x-user'],
  ])('sticks by %j under the name %j', (affinity, name) => {
    expect(compiled({ pools: [{ name: 'api', affinity }] }).pools[0]?.affinity?.name).toBe(name);
  });

  it('splits addresses of every kind', () => {
    const backends = ['10.0.0.1:80', '[fd00::1]:81', 'app.internal:82'].map((address, at) => ({
      id: `b${at}`,
      address,
    }));
    const [pool] = compiled({ pools: [{ name: 'api', backends }] }).pools;
    expect(pool?.backends.map(({ host, port }) => [host, port])).toEqual([
      ['10.0.0.1', 80],
      ['fd00::1', 81],
      ['app.internal', 82],
    ]);
  });
});

describe('a delta of one backend', () => {
  it('says the same as the whole picture, and since when it can serve', () => {
    const log = new TestLog();
    log.run({ type: 'config.replace', document: sampleDocument(2) });
    log.join('n1');
    log.wait(5_000);
    log.observe('n1', true, 'api/b1', 'api/b2');
    const upMs = log.nowMs;
    expect(backendDelta(log.state, 'api', 'b1')).toMatchObject({ verdict: 'up', upSinceMs: upMs });
    log.run({ type: 'backend.set', pool: 'api', id: 'b1', state: 'maintenance' });
    log.wait(5_000);
    log.run({ type: 'backend.set', pool: 'api', id: 'b1', state: 'enabled', weight: 9 });
    const delta = { pool: 'api', id: 'b1', weight: 9, state: 'enabled', verdict: 'up', upSinceMs: upMs + 5_000 };
    expect(backendDelta(log.state, 'api', 'b1')).toEqual(delta);
    const { pool: _pool, ...numbers } = delta;
    expect(compileRouting(log.state).pools[0]?.backends[0]).toMatchObject(numbers);
    expect(backendDelta(log.state, 'api', 'none')).toBeUndefined();
  });
});
