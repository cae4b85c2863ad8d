/** Who may take work: states, verdicts, tiers, fail-open, suspicion, retries, slow start; and what a delta changes. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Algorithm, BackendSpec, PoolSpec } from '@flotilla/shared';
import { seededRandom } from '../testing/random.ts';
import { backendSpec, poolSpec, routingSnapshot } from '../testing/snapshots.ts';
import { applyDelta } from './apply-delta.ts';
import { buildTable } from './build-table.ts';
import type { LiveTable } from './build-table.ts';
import { privateCounts, RuntimeRegistry } from './runtime-registry.ts';
import type { Backend, PickContext } from './table.ts';

const clock = { nowMs: 0, logNowMs: 0 };
const inputs = { nowMs: () => clock.nowMs, logNowMs: () => clock.logNowMs, random: seededRandom(3) };

function tableOf(backends: readonly BackendSpec[], spec: Partial<PoolSpec> = {}, zone = ''): LiveTable {
  clock.nowMs = 0;
  clock.logNowMs = 0;
  const numbered = backends.map((backend, slot) => ({ ...backend, slot }));
  const snapshot = routingSnapshot({ pools: [poolSpec('app', { ...spec, backends: numbered })] });
  return buildTable(snapshot, new RuntimeRegistry(privateCounts(1_024)), { ...inputs, zone });
}

function context(tried: Backend[] = [], clientIp = '10.0.0.1'): PickContext {
  return { clientIp, path: '/', query: '', header: () => undefined, tried };
}

/** Ids that a hundred picks hit. */
function reachable(table: LiveTable, tried: Backend[] = []): string[] {
  const pool = table.pools.get('app')!;
  const ids = Array.from({ length: 100 }, (_, at) => pool.pick(context(tried, `10.0.0.${at}`))?.id ?? 'none');
  return [...new Set(ids)].toSorted();
}

describe('who may take new work', () => {
  test('enabled, weighted, and not known to be down', () => {
    const table = tableOf([
      backendSpec('up'),
      backendSpec('unknown', { verdict: 'unknown' }),
      backendSpec('down', { verdict: 'down' }),
      backendSpec('ejected', { verdict: 'ejected' }),
      backendSpec('draining', { state: 'draining' }),
      backendSpec('maintenance', { state: 'maintenance' }),
      backendSpec('weightless', { weight: 0 }),
    ]);
    expect(reachable(table)).toEqual(['unknown', 'up']);
  });

  test('a backup tier serves only when no better one can', () => {
    const specs = [backendSpec('main'), backendSpec('backup', { priority: 1 }), backendSpec('last', { priority: 9 })];
    expect(reachable(tableOf(specs))).toEqual(['main']);
    const table = tableOf([{ ...specs[0]!, verdict: 'down' }, ...specs.slice(1)]);
    expect(reachable(table)).toEqual(['backup']);
    expect(reachable(table, [table.pools.get('app')!.backend('backup')!])).toEqual(['last']);
  });

  test('the own zone serves while it can, then the others of the tier', () => {
    const inZone = (id: string, zone: string) => backendSpec(id, { tags: { zone } });
    const specs = [inZone('a', 'east'), inZone('b', 'west'), backendSpec('backup', { priority: 1 })];
    const table = tableOf(specs, {}, 'west');
    expect(reachable(table)).toEqual(['b']);
    expect(reachable(table, [table.pools.get('app')!.backend('b')!])).toEqual(['a']);
    expect(reachable(tableOf(specs, { algorithm: 'maglev' }, 'west'))).toEqual(['a', 'b']);
    expect(reachable(tableOf(specs))).toEqual(['a', 'b']);
  });

  test('fails open only where the pool says so, and never into maintenance', () => {
    const specs = [backendSpec('a', { verdict: 'down' }), backendSpec('b', { state: 'maintenance', verdict: 'down' })];
    expect(reachable(tableOf(specs))).toEqual(['none']);
    expect(reachable(tableOf(specs, { failOpen: true }))).toEqual(['a']);
  });

  test('a pinned session stays while its backend drains, and leaves when it is down', () => {
    const table = tableOf([
      backendSpec('a', { state: 'draining' }),
      backendSpec('b', { verdict: 'down' }),
      backendSpec('c'),
    ]);
    const pool = table.pools.get('app')!;
    expect(['a', 'b', 'c'].map((id) => pool.servesPinned(pool.backend(id)!))).toEqual([true, false, true]);
  });
});

describe('suspicion', () => {
  test('a suspect is passed over while another can serve, and asked when none can', () => {
    const table = tableOf([backendSpec('a'), backendSpec('b')]);
    const pool = table.pools.get('app')!;
    pool.backend('a')!.runtime.suspectUntilMs = 2_000;
    expect(reachable(table)).toEqual(['b']);
    pool.backend('b')!.runtime.suspectUntilMs = 2_000;
    expect(reachable(table)).toEqual(['a', 'b']);
    clock.nowMs = 2_001;
    expect(reachable(table)).toEqual(['a', 'b']);
  });

  test('so is what this node cannot reach', () => {
    const table = tableOf([backendSpec('a'), backendSpec('b')]);
    const { runtime } = table.pools.get('app')!.backend('b')!;
    runtime.locallyDown = true;
    expect(reachable(table)).toEqual(['a']);
    runtime.locallyDown = false;
    expect(reachable(table)).toEqual(['a', 'b']);
  });
});

test('slow start gives a newcomer little at first and its share at the end', () => {
  const table = tableOf([backendSpec('old', { upSinceMs: -60_000 }), backendSpec('new')], { slowStartMs: 20_000 });
  const pool = table.pools.get('app')!;
  const shareOfNew = (): number =>
    Array.from({ length: 2_100 }, () => pool.pick(context())?.id).filter((id) => id === 'new').length / 2_100;
  expect(shareOfNew()).toBeCloseTo(1 / 21, 2);
  clock.logNowMs = 10_000;
  expect(shareOfNew()).toBeCloseTo(11 / 31, 2);
  clock.logNowMs = 20_000;
  expect(shareOfNew()).toBeCloseTo(1 / 2, 2);
});

describe.each(['round-robin', 'least-connections', 'p2c', 'ewma', 'random', 'rendezvous', 'maglev'] as Algorithm[])(
  '%s',
  (algorithm) => {
    test('retries reach every backend once, then nobody', () => {
      const specs = ['a', 'b', 'c', 'd'].map((id, at) => backendSpec(id, { weight: 10 ** at, priority: at % 2 }));
      const pool = tableOf(specs, { algorithm }).pools.get('app')!;
      const tried: Backend[] = [];
      for (let attempt = 0; attempt < specs.length; attempt++) tried.push(pool.pick(context(tried))!);
      expect(new Set(tried.map((backend) => backend.id)).size).toBe(4);
      expect(pool.pick(context(tried))).toBeNull();
    });
  },
);

test.each(['rendezvous', 'maglev'] as Algorithm[])(
  '%s: the same answer whatever the order of the backends',
  (algorithm) => {
    const specs = Array.from({ length: 12 }, (_, at) => backendSpec(`b${at}`, { weight: (at % 4) + 1 }));
    const pick = (table: LiveTable, ip: string): string | undefined =>
      table.pools.get('app')!.pick(context([], ip))?.id;
    fc.assert(
      fc.property(fc.shuffledSubarray(specs, { minLength: specs.length }), fc.ipV4(), (shuffled, ip) => {
        expect(pick(tableOf(shuffled, { algorithm }), ip)).toBe(pick(tableOf(specs, { algorithm }), ip));
      }),
      { numRuns: 20 },
    );
  },
);

describe('a delta', () => {
  const head = { index: 7, revision: 3, logTimeMs: 9_000 };
  const numbers = { weight: 100, state: 'enabled', verdict: 'up', upSinceMs: 0 } as const;

  test('changes one backend, the index, and the snapshot that explain reads', () => {
    const before = tableOf([backendSpec('a'), backendSpec('b')]);
    expect(reachable(before)).toEqual(['a', 'b']);
    const after = applyDelta(before, head, [{ pool: 'app', id: 'b', ...numbers, verdict: 'down' }]);
    expect(after).toMatchObject({ index: 7, revision: 3, snapshot: { index: 7, logTimeMs: 9_000 } });
    expect(after.snapshot.pools[0]?.backends.map((backend) => backend.verdict)).toEqual(['up', 'down']);
    expect(reachable(after)).toEqual(['a']);
    expect(after.listeners).toBe(before.listeners);
  });

  test('for a backend that is not there is ignored', () => {
    const table = tableOf([backendSpec('a')]);
    const after = applyDelta(table, head, [
      { pool: 'app', id: 'zz', ...numbers },
      { pool: 'zz', id: 'a', ...numbers },
    ]);
    expect(reachable(after)).toEqual(['a']);
    expect(after.index).toBe(7);
  });
});

describe('runtimes', () => {
  test('survive a table swap, and are retired with their backend', () => {
    const retired: string[] = [];
    const registry = new RuntimeRegistry(privateCounts(1_024), (runtime) => retired.push(runtime.key));
    const [a, b] = [backendSpec('a', { slot: 1 }), backendSpec('b', { slot: 2 })];
    const runtime = registry.get('app', a);
    registry.get('app', b);
    runtime.begin();
    expect(registry.get('app', { ...a, weight: 1 }).inFlight()).toBe(1);
    registry.sweep(new Set([runtime]));
    expect(retired).toEqual(['app/b/127.0.0.1:9100#2']);
    runtime.end();
    expect(registry.get('app', a).inFlight()).toBe(0);
  });

  test('latency: a peak counts at once and fades', () => {
    const runtime = new RuntimeRegistry(privateCounts(1_024)).get('app', backendSpec('a'));
    runtime.observeLatency(10, 1_000);
    runtime.observeLatency(100, 1_010);
    expect(runtime.latencyMs(1_010)).toBe(100);
    runtime.observeLatency(10, 1_020);
    expect(runtime.latencyMs(1_020)).toBeGreaterThan(90);
    expect(runtime.latencyMs(60_000)).toBeLessThan(1);
  });
});
