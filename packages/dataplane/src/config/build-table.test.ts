/** Routes: order, hosts, paths; splits; trusted peers; and that a large configuration compiles in no time. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RouteSpec } from '@flotilla/shared';
import { backendSpec, listenerSpec, poolSpec, routeTo, routingSnapshot } from '../testing/snapshots.ts';
import { seededRandom } from '../testing/random.ts';
import { buildTable } from './build-table.ts';
import type { LiveTable } from './build-table.ts';
import { privateCounts, RuntimeRegistry } from './runtime-registry.ts';
import type { ListenerTable } from './table.ts';

const inputs = { nowMs: () => 0, logNowMs: () => 0, random: seededRandom(1) };

function build(snapshot: Parameters<typeof routingSnapshot>[0]): LiveTable {
  return buildTable(routingSnapshot(snapshot), new RuntimeRegistry(privateCounts(65_536)), inputs);
}

function listenerOf(routes: readonly RouteSpec[]): ListenerTable {
  const pools = ['a', 'b', 'c', 'd', 'e'].map((name) => poolSpec(name, { backends: [backendSpec(`${name}1`)] }));
  return build({ listeners: [listenerSpec('web', { routes })], pools }).listeners.get('web')!;
}

/** Name of the pool that a request goes to, or null. */
function ask(
  listener: ListenerTable,
  host: string,
  path = '/',
  asked: { readonly method?: string; readonly headers?: Record<string, string> } = {},
): string | null {
  const route = listener.matchHttp(host, path, asked.method ?? 'GET', (name) => asked.headers?.[name]);
  return route?.pool(() => 0)?.spec.name ?? null;
}

describe('matching', () => {
  test('the first match wins, whether by exact host, wildcard or none', () => {
    const listener = listenerOf([
      routeTo('a', { host: 'x.example.com', pathPrefix: '/only' }),
      routeTo('b', { host: '*.example.com' }),
      routeTo('c', { host: 'x.example.com' }),
      routeTo('d', { pathPrefix: '/d' }),
      routeTo('e', { host: '*.com' }),
    ]);
    expect(ask(listener, 'x.example.com', '/only')).toBe('a');
    expect(ask(listener, 'x.example.com', '/else')).toBe('b');
    expect(ask(listener, 'deep.x.example.com')).toBe('b');
    expect(ask(listener, 'example.com', '/d')).toBe('d');
    expect(ask(listener, 'example.com', '/e')).toBe('e');
    expect(ask(listener, 'example.org', '/d/x')).toBe('d');
    expect(ask(listener, 'example.org', '/')).toBeNull();
    expect(ask(listener, 'x.example.com.', '/only')).toBe('a');
  });

  test.each([
    ['/api', '/api', true],
    ['/api', '/api/x', true],
    ['/api', '/apix', false],
    ['/api', '/ap', false],
    ['/api/', '/api', false],
    ['/api/', '/api/x', true],
    ['/', '/anything', true],
  ])('prefix %s and path %s: %s', (pathPrefix, path, matches) => {
    expect(ask(listenerOf([routeTo('a', { pathPrefix })]), 'h', path)).toBe(matches ? 'a' : null);
  });

  test('method, exact path and headers', () => {
    const listener = listenerOf([
      routeTo('a', { method: 'POST' }),
      routeTo('b', { path: '/exact' }),
      routeTo('c', { headers: [{ name: 'X-A', value: 'b' }] }),
    ]);
    expect(ask(listener, 'h', '/', { method: 'POST' })).toBe('a');
    expect(ask(listener, 'h', '/exact')).toBe('b');
    expect(ask(listener, 'h', '/exact/')).toBeNull();
    expect(ask(listener, 'h', '/', { headers: { 'x-a': 'b' } })).toBe('c');
    expect(ask(listener, 'h', '/', { headers: { 'x-a': 'B' } })).toBeNull();
  });

  test('the index by host answers as trying every route in order does', () => {
    const label = fc.constantFrom('a', 'b', 'c');
    const name = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'));
    const pattern = fc.oneof(
      fc.constant(null),
      name,
      name.map((suffix) => `*.${suffix}`),
    );
    const covers = (host: string | null, asked: string): boolean =>
      host === null ||
      host === asked ||
      (host.startsWith('*.') && asked.endsWith(host.slice(1)) && asked.length >= host.length);
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 12 }), name, (patterns, asked) => {
        const listener = listenerOf(patterns.map((host) => routeTo('a', { host })));
        const expected = patterns.findIndex((host) => covers(host, asked));
        const found = listener.matchHttp(asked, '/', 'GET', () => undefined);
        expect(found === null ? -1 : listener.spec.routes.indexOf(found.spec)).toBe(expected);
      }),
    );
  });
});

test('a split follows its weights', () => {
  const split = [
    { pool: 'a', weight: 90 },
    { pool: 'b', weight: 10 },
    { pool: 'gone', weight: 50 },
  ];
  const route = listenerOf([{ ...routeTo('a'), action: { type: 'pool', split } }]).matchSni('')!;
  const random = seededRandom(8);
  const names = Array.from({ length: 10_000 }, () => route.pool(random)?.spec.name);
  expect(Math.abs(names.filter((name) => name === 'b').length - 1_000)).toBeLessThan(100);
  expect(names).not.toContain(undefined);
});

test('forwarding fields and PROXY headers are believed of listed peers only', () => {
  const proxyProtocol = { accept: true, trusted: ['10.0.0.0/8'] };
  const spec = listenerSpec('web', { trustedProxies: ['192.0.2.7', 'fd00::/8'], proxyProtocol });
  const listener = build({ listeners: [spec] }).listeners.get('web')!;
  expect(['192.0.2.7', '192.0.2.8', 'fd12::1', '::ffff:192.0.2.7'].map((ip) => listener.trustsProxy(ip))).toEqual([
    true,
    false,
    true,
    true,
  ]);
  expect(listener.trustsProxyProtocol('10.1.2.3')).toBe(true);
  expect(listener.trustsProxyProtocol('11.1.2.3')).toBe(false);
});

test('10,000 backends in 1,000 pools compile without touching a chooser', () => {
  const pools = Array.from({ length: 1_000 }, (_, pool) =>
    poolSpec(`p${pool}`, {
      algorithm: 'maglev',
      backends: Array.from({ length: 10 }, (__, at) => backendSpec(`b${at}`, { slot: pool * 10 + at })),
    }),
  );
  const table = build({ pools });
  expect(table.pools.size).toBe(1_000);
  expect(table.pools.get('p999')?.backends).toHaveLength(10);
});
