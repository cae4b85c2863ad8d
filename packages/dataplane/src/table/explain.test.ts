/** Explain against what a proxy thread's table does, for every kind of decision. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Algorithm, ExplainRequest, PoolSpec, RoutingSnapshot } from '@flotilla/shared';
import { encodeCookie } from '../affinity/cookie.ts';
import { buildTable } from '../config/build-table.ts';
import { privateCounts, RuntimeRegistry } from '../config/runtime-registry.ts';
import { backendSpec, listenerSpec, poolSpec, routeTo, routingSnapshot } from '../testing/snapshots.ts';
import { explain } from './explain.ts';

function snapshotWith(pool: Partial<PoolSpec>): RoutingSnapshot {
  const backends = ['b1', 'b2', 'b3'].map((id, slot) => backendSpec(id, { slot }));
  return routingSnapshot({
    index: 12,
    revision: 4,
    listeners: [listenerSpec('web', { routes: [routeTo('app', { host: 'example.com' })] })],
    pools: [poolSpec('app', { backends, ...pool })],
  });
}

const request: ExplainRequest = {
  listener: 'web',
  method: 'GET',
  host: 'Example.com:8080',
  path: '/cart?user=7',
  clientIp: '192.0.2.1',
  headers: [],
};

test('no such listener, no such route', () => {
  expect(explain(snapshotWith({}), { ...request, listener: 'other' })).toBeNull();
  expect(explain(snapshotWith({}), { ...request, host: 'other' })).toMatchObject({ index: 12, route: -1, pools: [] });
});

test('a local algorithm gives shares, not a choice', () => {
  const backends = [
    backendSpec('b1', { weight: 300 }),
    backendSpec('b2', { verdict: 'unknown' }),
    backendSpec('b3', { verdict: 'down' }),
    backendSpec('b4', { state: 'draining' }),
    backendSpec('b5', { priority: 1 }),
  ];
  const [pool] = explain(snapshotWith({ backends }), request)!.pools;
  expect(pool).toMatchObject({ pool: 'app', splitRatio: 1, choice: null, deterministic: false });
  expect(pool!.candidates.map(({ backend, shareRatio, reason }) => [backend, shareRatio, reason])).toEqual([
    ['b1', 0.75, ''],
    ['b2', 0.25, ''],
    ['b3', 0, 'down'],
    ['b4', 0, 'draining'],
    ['b5', 0, 'a tier of lower priority number serves'],
  ]);
});

test('an empty pool says so', () => {
  const [pool] = explain(snapshotWith({ backends: [] }), request)!.pools;
  expect(pool).toMatchObject({ choice: null, deterministic: true, why: 'no backend may take new work' });
});

describe.each(['rendezvous', 'maglev'] as Algorithm[])('%s', (algorithm) => {
  test('names the backend that the proxy threads choose', () => {
    const snapshot = snapshotWith({ algorithm, hash: { on: 'query', name: 'user' } });
    const inputs = { nowMs: () => 0, logNowMs: () => 0, random: () => 0 };
    const table = buildTable(snapshot, new RuntimeRegistry(privateCounts(16)), inputs);
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1') }), (user) => {
        const query = `user=${user}`;
        const context = { clientIp: '192.0.2.1', path: '/', query, header: () => undefined, tried: [] };
        const [pool] = explain(snapshot, { ...request, path: `/?${query}` })!.pools;
        expect(pool).toMatchObject({ deterministic: true, choice: table.pools.get('app')!.pick(context)!.id });
      }),
    );
  });
});

describe('sessions', () => {
  const affinity = { type: 'cookie', name: 'LB', ttlMs: 1_000, strict: false } as const;

  test('a cookie of ours pins, an expired or forged one does not', () => {
    const snapshot = snapshotWith({ affinity });
    const scope = { key: snapshot.settings.affinityKey, pool: 'app' };
    const ask = (value: string) =>
      explain(snapshot, { ...request, headers: [{ name: 'Cookie', value: `LB=${value}` }] })!.pools[0];
    const live = encodeCookie(scope, { backendId: 'b2', expiresMs: snapshot.logTimeMs + 5_000 });
    expect(ask(live)).toMatchObject({ choice: 'b2', pin: 'b2', deterministic: true, why: 'pinned by cookie' });
    expect(ask(encodeCookie(scope, { backendId: 'b2', expiresMs: snapshot.logTimeMs - 5_000 }))?.pin).toBeNull();
    expect(ask(live.replace('b2', 'b3'))?.pin).toBeNull();
  });

  test('a pin of the table holds; without one the first choice is named', () => {
    const snapshot = snapshotWith({ affinity: { ...affinity, type: 'source-ip' } });
    const pinned = explain(snapshot, { ...request, pinOf: (_pool, key) => (key === '192.0.2.1' ? 'b3' : null) });
    expect(pinned?.pools[0]).toMatchObject({ choice: 'b3', pin: 'b3', key: '192.0.2.1' });
    const first = explain(snapshot, request)?.pools[0];
    expect(first).toMatchObject({ pin: null, deterministic: true });
    expect(first?.choice).toMatch(/^b[123]$/);
  });

  test('strictly pinned to the dead, nobody serves', () => {
    const backends = [backendSpec('b1', { verdict: 'down' }), backendSpec('b2', { slot: 1 })];
    const snapshot = snapshotWith({ backends, affinity: { ...affinity, type: 'source-ip', strict: true } });
    const [pool] = explain(snapshot, { ...request, pinOf: () => 'b1' })!.pools;
    expect(pool).toMatchObject({ choice: null, pin: 'b1', deterministic: true });
  });
});

test('a split names every pool with its part', () => {
  const snapshot = snapshotWith({});
  const split = [
    { pool: 'app', weight: 90 },
    { pool: 'next', weight: 10 },
  ];
  const route = { ...routeTo('app'), action: { type: 'pool', split } as const };
  const pools = [...snapshot.pools, poolSpec('next', { backends: [backendSpec('n1')] })];
  const explained = explain({ ...snapshot, pools, listeners: [listenerSpec('web', { routes: [route] })] }, request);
  expect(explained?.pools.map(({ pool, splitRatio }) => [pool, splitRatio])).toEqual([
    ['app', 0.9],
    ['next', 0.1],
  ]);
});
