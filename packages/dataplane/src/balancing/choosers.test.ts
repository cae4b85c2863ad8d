/**
 * What every algorithm must keep, over all of them: shares by weight, skips respected, and for the hashing ones the same
 * answer whatever the order, and no more disruption than theory asks for.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../testing/random.ts';
import type { Chooser } from './chooser.ts';
import { hash32 } from './hash.ts';
import { leastConnections } from './least-connections.ts';
import { maglev } from './maglev.ts';
import { rendezvous } from './rendezvous.ts';
import { smoothRoundRobin } from './smooth-round-robin.ts';
import { p2c, peakEwma } from './two-choices.ts';
import { weightedRandom } from './weighted-random.ts';

type Build = (weights: readonly number[], ids?: readonly string[]) => Chooser;

const idle = (): number => 0;
const idsFor = (weights: readonly number[]): string[] =>
  weights.map((_, index) => `b${String(index).padStart(5, '0')}`);
const HASHING: Record<string, Build> = {
  rendezvous: (weights, ids = idsFor(weights)) => rendezvous(ids, weights),
  maglev: (weights, ids = idsFor(weights)) => maglev(ids, weights),
};
const ALL: Record<string, Build> = {
  'round-robin': (weights) => smoothRoundRobin(weights, seededRandom(1)),
  'least-connections': (weights) => leastConnections(weights, idle, seededRandom(2)),
  p2c: (weights) => p2c(weights, idle, seededRandom(3)),
  ewma: (weights) => peakEwma(weights, { loadOf: idle, latencyMsOf: idle, random: seededRandom(4) }),
  random: (weights) => weightedRandom(weights, seededRandom(5)),
  ...HASHING,
};

const keyHash = (key: number): number => hash32(`client-${key}`, 7);

function shares(chooser: Chooser, count: number, draws: number): number[] {
  const counts = Array.from({ length: count }, () => 0);
  for (let key = 0; key < draws; key++) {
    const index = chooser.choose(keyHash(key), null);
    counts[index] = counts[index]! + 1;
  }
  return counts.map((value) => value / draws);
}

describe.each(Object.entries(ALL))('%s', (_name, build) => {
  test.each([
    [[1, 1, 1]],
    [[100, 50, 25, 25]],
    [[1000, 1, 500]],
    [[7]],
    [Array.from({ length: 100 }, (_, i) => (i % 5) + 1)],
  ])('shares within 1 %% of weight: %#', (weights) => {
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const actual = shares(build(weights), weights.length, 60_000);
    for (const [index, weight] of weights.entries())
      expect(Math.abs(actual[index]! - weight / total)).toBeLessThan(0.01);
  });

  test('never chooses a skipped one, finds the last unskipped one, and says when there is none', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ weight: fc.integer({ min: 1, max: 1000 }), skip: fc.boolean() }), {
          minLength: 1,
          maxLength: 90,
        }),
        fc.integer({ min: 0, max: 1_000_000 }),
        (candidates, key) => {
          const chooser = build(candidates.map(({ weight }) => weight));
          const chosen = chooser.choose(keyHash(key), (index) => candidates[index]!.skip);
          expect(chosen === -1).toBe(candidates.every(({ skip }) => skip));
          expect(candidates[chosen]?.skip).not.toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('an empty pool has no answer', () => {
    expect(build([]).choose(1, null)).toBe(-1);
  });
});

describe.each(Object.entries(HASHING))('%s, as a hash', (_name, build) => {
  const KEYS = 20_000;
  const answers = (ids: readonly string[], weights: readonly number[]): string[] => {
    const chooser = build(weights, ids);
    return Array.from({ length: KEYS }, (_, key) => ids[chooser.choose(keyHash(key), null)]!);
  };
  const moved = (before: readonly string[], after: readonly string[]): number =>
    before.filter((id, key) => id !== after[key]).length / KEYS;

  test('gives the answers that it always gave', () => {
    // Frozen: another answer here would move every client of every cluster at the next upgrade.
    const frozen = build === HASHING.rendezvous ? 'ddddbaaaacadcbadabdddbbd' : 'dbdbdddbdbddccbabaadaddb';
    const some = answers(['a', 'b', 'c', 'd'], [100, 100, 50, 200]).slice(0, 24).join('');
    expect(some).toBe(frozen);
  });

  test('a backend that leaves moves its own keys and few others', () => {
    const ids = idsFor(Array.from({ length: 10 }));
    const before = answers(
      ids,
      ids.map(() => 100),
    );
    const left = ids.filter((id) => id !== 'b00004');
    const after = answers(
      left,
      left.map(() => 100),
    );
    const mustMove = before.filter((id) => id === 'b00004').length / KEYS;
    // Rendezvous moves no other; Maglev's paper measures a few percent.
    expect(moved(before, after)).toBeLessThan(mustMove + (build === HASHING.rendezvous ? 1e-9 : 0.06));
  });

  test('a weight that grows draws keys in and pushes none around', () => {
    const ids = idsFor(Array.from({ length: 8 }));
    const before = answers(
      ids,
      ids.map(() => 100),
    );
    const after = answers(
      ids,
      ids.map((id) => (id === 'b00002' ? 200 : 100)),
    );
    const strayed = before.filter((id, key) => id !== after[key] && after[key] !== 'b00002').length / KEYS;
    expect(strayed).toBeLessThan(build === HASHING.rendezvous ? 1e-9 : 0.1);
    expect(after.filter((id) => id === 'b00002').length).toBeGreaterThan(before.filter((id) => id === 'b00002').length);
  });
});

describe('smooth round-robin', () => {
  test('spreads the heavy one as nginx does', () => {
    const chooser = smoothRoundRobin([5, 1, 1], () => 0);
    const turns = Array.from({ length: 7 }, () => 'abc'[chooser.choose(0, null)]).join('');
    expect(turns).toBe('aabacaa');
  });

  test('a large pool keeps exact shares', () => {
    const weights = Array.from({ length: 1_000 }, (_, index) => (index % 3) + 1);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const chooser = smoothRoundRobin(weights, () => 0);
    const counts = weights.map(() => 0);
    for (let turn = 0; turn < total * 3; turn++) {
      const index = chooser.choose(0, null);
      counts[index] = counts[index]! + 1;
    }
    expect(Math.max(...weights.map((weight, index) => Math.abs(counts[index]! - weight * 3)))).toBeLessThanOrEqual(1);
  });
});

describe('load-aware', () => {
  test('least connections takes the lowest load per weight', () => {
    const loads = [10, 4, 3];
    const chooser = leastConnections(
      [100, 100, 50],
      (index) => loads[index]!,
      () => 0,
    );
    expect(chooser.choose(0, null)).toBe(1);
    loads[1] = 8;
    expect(chooser.choose(0, null)).toBe(2);
  });

  test('two choices keep a slow backend from piling up', () => {
    const loads = [0, 0, 0, 0];
    const chooser = p2c([1, 1, 1, 1], (index) => loads[index]!, seededRandom(9));
    for (let turn = 0; turn < 400; turn++) {
      const index = chooser.choose(0, null);
      loads[index]!++;
    }
    expect(Math.max(...loads) - Math.min(...loads)).toBeLessThan(10);
  });

  test('ewma avoids the one whose answers take long', () => {
    const latencies = [5, 5, 500];
    const chooser = peakEwma([1, 1, 1], {
      loadOf: idle,
      latencyMsOf: (index) => latencies[index]!,
      random: seededRandom(6),
    });
    expect(shares(chooser, 3, 3_000)[2]).toBe(0);
  });
});
