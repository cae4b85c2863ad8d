/**
 * Many seeds, one after the other: stops at the first violation, and judges at the end whether enough happened.
 */
import { DEFAULT_TIME_MS, planOf } from '../faults/plan.ts';
import type { Violation } from '../checkers/violations.ts';
import { Coverage } from './coverage.ts';
import { simulate } from './simulate.ts';
import type { SimulationResult } from './simulate.ts';

export interface RunOptions {
  readonly seeds: number;
  readonly firstSeed: number;
  /** Chaos per seed, in virtual time. */
  readonly timeMs?: number;
  readonly onProgress?: (progress: RunProgress) => void;
}

export interface RunProgress {
  readonly seedsDone: number;
  readonly seeds: number;
  readonly simulatedMs: number;
  readonly elapsedMs: number;
  readonly last: SimulationResult;
}

export interface RunResult {
  readonly ok: boolean;
  readonly seedsDone: number;
  readonly simulatedMs: number;
  readonly elapsedMs: number;
  readonly coverage: Coverage;
  /** What never happened though there were seeds enough for it. */
  readonly missing: readonly string[];
  readonly failure: { readonly seed: number; readonly timeMs: number; readonly violation: Violation } | null;
}

/** From so many seeds on, everything must have happened at least once. */
const COVERAGE_FROM_SEEDS = 150;

export async function runSimulation(options: RunOptions): Promise<RunResult> {
  const { seeds, firstSeed, timeMs = DEFAULT_TIME_MS } = options;
  const coverage = new Coverage();
  const startedMs = performance.now();
  let simulatedMs = 0;
  let seedsDone = 0;
  let failure: RunResult['failure'] = null;
  for (let seed = firstSeed; seed < firstSeed + seeds && failure === null; seed += 1) {
    const last = await simulate(planOf(seed, timeMs));
    simulatedMs += last.simulatedMs;
    seedsDone += 1;
    coverage.merge(last.coverage);
    if (last.violation !== null) failure = { seed, timeMs, violation: last.violation };
    options.onProgress?.({ seedsDone, seeds, simulatedMs, elapsedMs: performance.now() - startedMs, last });
  }
  const missing = seedsDone >= COVERAGE_FROM_SEEDS ? coverage.missing() : [];
  const elapsedMs = performance.now() - startedMs;
  return {
    ok: failure === null && missing.length === 0,
    seedsDone,
    simulatedMs,
    elapsedMs,
    coverage,
    missing,
    failure,
  };
}
