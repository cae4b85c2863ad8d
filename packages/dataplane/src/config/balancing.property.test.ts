/**
 * What balancing promises, over pools at random as a node compiles them: shares by weight within one percent, no more disruption than
 * theory asks for, the same answer on every node, and one ramp of slow start for all.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Algorithm, BackendSpec, HashSource, PoolSpec } from '@flotilla/shared';
import { seededRandom } from '../testing/random.ts';
import { backendSpec, poolSpec, routingSnapshot } from '../testing/snapshots.ts';
import { buildTable } from './build-table.ts';
import { privateCounts, RuntimeRegistry } from './runtime-registry.ts';
import type { PickContext, Pool } from './table.ts';

const ALL: readonly Algorithm[] = ['round-robin', 'least-connections', 'p2c', 'ewma', 'random', 'rendezvous', 'maglev'];
const HASHING: readonly Algorithm[] = ['rendezvous', 'maglev'];
const DRAWS = 30_000;
/** Of Maglev's table, by its paper: a few keys move though their backend stays. */
const MAGLEV_EXTRA_RATIO = 0.1;

interface NodeClock {
  logNowMs: number;
}

/** The pool as one node has it: its own random numbers, its own clock, its own counts. */
function nodePool(
  backends: readonly BackendSpec[],
  spec: Partial<PoolSpec>,
  node = 1,
  clock: NodeClock = { logNowMs: 0 },
): Pool {
  const numbered = backends.map((backend, slot) => ({ ...backend, slot }));
  const snapshot = routingSnapshot({ pools: [poolSpec('app', { ...spec, backends: numbered })] });
  const inputs = { nowMs: () => 0, logNowMs: () => clock.logNowMs, random: seededRandom(node) };
  const pool = buildTable(snapshot, new RuntimeRegistry(privateCounts(1_024)), inputs).pools.get('app');
  if (pool === undefined) throw new Error('no pool');
  return pool;
}

const from = (clientIp: string): PickContext => ({
  clientIp,
  path: '/',
  query: '',
  header: () => undefined,
  tried: [],
});
const ipOf = (key: number): string => `10.${key >> 16}.${(key >> 8) & 255}.${key & 255}`;

function shares(pool: Pool, draws = DRAWS): Map<string, number> {
  const counts = new Map<string, number>();
  for (let key = 0; key < draws; key++) {
    const id = pool.pick(from(ipOf(key)))?.id ?? '';
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return new Map([...counts].map(([id, count]) => [id, count / draws]));
}

const answers = (pool: Pool, keys: number): (string | undefined)[] =>
  Array.from({ length: keys }, (_, key) => pool.pick(from(ipOf(key)))?.id);

const weights = fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 24 });
const backendsOf = (all: readonly number[]): BackendSpec[] =>
  all.map((weight, at) => backendSpec(`b${at}`, { weight }));
const runs = { numRuns: 6, seed: 4 };

describe.each(ALL)('%s', (algorithm) => {
  test('a share is within one percent of its weight', () => {
    fc.assert(
      fc.property(weights, (all) => {
        const total = all.reduce((sum, weight) => sum + weight, 0);
        const actual = shares(nodePool(backendsOf(all), { algorithm }));
        for (const [at, weight] of all.entries())
          expect(Math.abs((actual.get(`b${at}`) ?? 0) - weight / total)).toBeLessThan(0.01);
      }),
      runs,
    );
  });
});

/** The share of a newcomer on three nodes, at each of these times of the log. */
function newcomerShares(algorithm: Algorithm, atMs: readonly number[]): number[][] {
  const clock = { logNowMs: 0 };
  const backends = [backendSpec('old'), backendSpec('new', { upSinceMs: 50_000 })];
  const nodes = [1, 2, 3].map((node) => nodePool(backends, { algorithm, slowStartMs: 10_000 }, node, clock));
  return atMs.map((logNowMs) => {
    clock.logNowMs = logNowMs;
    return nodes.map((pool) => shares(pool, 8_000).get('new') ?? 0);
  });
}

describe('slow start, on every node alike', () => {
  test.each(ALL.filter((algorithm) => !HASHING.includes(algorithm)))(
    '%s: a small share first, in the end a whole one',
    (algorithm) => {
      const expected = [1 / 21, 11 / 31, 1 / 2];
      const actual = newcomerShares(algorithm, [50_000, 55_000, 60_000]);
      for (const [at, shareOfNodes] of actual.entries())
        for (const share of shareOfNodes) expect(Math.abs(share - (expected[at] ?? 0))).toBeLessThan(0.03);
    },
  );

  test.each(HASHING)('%s: a whole share at once, because every step would move keys twice', (algorithm) => {
    for (const share of newcomerShares(algorithm, [50_000]).flat()) expect(share).toBeCloseTo(0.5, 1);
  });
});

describe.each(HASHING)('%s', (algorithm) => {
  const keys = 4_000;

  test('every node gives every key the same answer, whatever the order of its configuration', () => {
    fc.assert(
      fc.property(weights, fc.nat(), (all, seed) => {
        const backends = backendsOf(all);
        const random = seededRandom(seed);
        const shuffled = backends.toSorted(() => random() - 0.5);
        expect(answers(nodePool(shuffled, { algorithm }, 2), 300)).toEqual(
          answers(nodePool(backends, { algorithm }, 1), 300),
        );
      }),
      runs,
    );
  });

  test('who leaves moves its own keys, who comes draws its share, and few others move', () => {
    const few = algorithm === 'rendezvous' ? 0 : MAGLEV_EXTRA_RATIO;
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 50, max: 200 }), { minLength: 3, maxLength: 16 }),
        fc.nat(),
        (all, which) => {
          const backends = backendsOf(all);
          const gone = backends[which % backends.length]?.id;
          const whole = answers(nodePool(backends, { algorithm }), keys);
          const without = answers(
            nodePool(
              backends.filter(({ id }) => id !== gone),
              { algorithm },
            ),
            keys,
          );
          const strayed = whole.filter((id, key) => id !== gone && id !== without[key]).length;
          expect(strayed / keys).toBeLessThanOrEqual(few);
        },
      ),
      runs,
    );
  });

  test.each([
    ['source-ip', { on: 'source-ip' }, (key: string) => ({ clientIp: key })],
    ['path', { on: 'path' }, (key: string) => ({ path: `/${key}` })],
    ['query', { on: 'query', name: 'user' }, (key: string) => ({ query: `a=b&user=${key}` })],
    [
      'header',
      { on: 'header', name: 'X-User' },
      (key: string) => ({ header: (name: string) => (name === 'x-user' ? key : undefined) }),
    ],
    [
      'cookie',
      { on: 'cookie', name: 'sid' },
      (key: string) => ({ header: (name: string) => (name === 'cookie' ? `a=b; sid=${key}` : undefined) }),
    ],
  ] as readonly [string, HashSource, (key: string) => Partial<PickContext>][])(
    'goes by the %s, and by nothing else',
    (_, hash, request) => {
      const pool = nodePool(backendsOf([1, 1, 1, 1, 1]), { algorithm, hash });
      const of = (key: string, more: Partial<PickContext> = {}) =>
        pool.pick({ ...from('192.0.2.1'), ...more, ...request(key) })?.id;
      const others: Partial<PickContext>[] = [{ clientIp: '192.0.2.9' }, { path: '/other' }, { query: 'x=y' }];
      for (const key of ['ada', 'bob', 'eve']) for (const other of others) expect(of(key, other)).toBe(of(key));
      expect(new Set(Array.from({ length: 60 }, (__, at) => of(`key${at}`))).size).toBe(5);
    },
  );
});

test('bounded load: a hot key spills over to others in an order that all nodes share', () => {
  const pools = [1, 2].map((node) =>
    nodePool(backendsOf([1, 1, 1]), { algorithm: 'rendezvous', boundedLoadRatio: 1.25 }, node),
  );
  const orders = pools.map((pool) => {
    const order: string[] = [];
    for (let request = 0; request < 30; request++) {
      const backend = pool.pick(from('10.0.0.1'));
      backend?.runtime.begin();
      order.push(backend?.id ?? '');
    }
    return order;
  });
  expect(orders[0]).toEqual(orders[1]);
  const load = new Map<string, number>();
  for (const id of orders[0] ?? []) load.set(id, (load.get(id) ?? 0) + 1);
  expect(load.size).toBe(3);
  for (const count of load.values()) expect(count).toBeLessThanOrEqual(Math.ceil(10 * 1.25));
});
