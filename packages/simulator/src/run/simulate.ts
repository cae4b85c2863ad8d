/**
 * One simulation: chaos as the plan says, then the liveness phase: everything heals, and the cluster must come together,
 * serve, and agree. Then the histories are judged.
 */
import { checkHistory } from '../linearizability/checker.ts';
import { counterModel, registerModel } from '../linearizability/history.ts';
import type {
  CounterInput,
  CounterOutput,
  Operation,
  RegisterInput,
  RegisterOutput,
} from '../linearizability/history.ts';
import type { Violation } from '../checkers/violations.ts';
import { Cluster } from '../cluster/cluster.ts';
import { applyFault } from '../faults/apply.ts';
import type { Plan } from '../faults/plan.ts';
import { keepAnnouncing } from '../workload/releases.ts';
import type { Coverage } from './coverage.ts';
import { HEAL_MAX_MS, healAndConverge } from './heal.ts';

export interface SimulationResult {
  readonly seed: number;
  readonly violation: Violation | null;
  /** Virtual time that passed. */
  readonly simulatedMs: number;
  readonly steps: number;
  readonly traceHash: string;
  readonly traceLines: number;
  /** Last lines of the trace. */
  readonly lastLines: readonly string[];
  readonly coverage: Coverage;
}

/** A healthy run takes about one event per millisecond and node. */
const STEPS_PER_MS = 40;

/** Steps of the search for one key; beyond, the key is left undecided. */
const HISTORY_LIMITS = { maxSteps: 200_000 };

export async function simulate(plan: Plan, options: { readonly keepLines?: number } = {}): Promise<SimulationResult> {
  const cluster = new Cluster(plan, options.keepLines ?? 0);
  const { world, trace } = cluster;
  cluster.start();
  keepAnnouncing(cluster);
  for (const fault of plan.faults) world.at(fault.atMs, () => applyFault(cluster, fault));
  world.maxSteps = STEPS_PER_MS * (plan.timeMs + HEAL_MAX_MS);
  await world.runUntil(plan.timeMs);
  trace.line('phase', 'heal', '');
  if (world.stopped === null) await healAndConverge(cluster);
  if (world.stopped === null) judge(cluster);
  cluster.violations.demand(world.stopped !== 'exhausted', 'bounded work', () => `${world.steps} events`);
  return {
    seed: plan.seed,
    violation: cluster.violations.first,
    simulatedMs: world.nowMs,
    steps: world.steps,
    traceHash: trace.digest(),
    traceLines: trace.count,
    lastLines: trace.last,
    coverage: cluster.coverage,
  };
}

function judge(cluster: Cluster): void {
  const { registers, counters } = cluster.clients.histories;
  const results = [
    checkHistory(
      registerModel({ value: 0, version: 0 }),
      registers as Operation<RegisterInput, RegisterOutput>[],
      HISTORY_LIMITS,
    ),
    checkHistory(counterModel, counters as Operation<CounterInput, CounterOutput>[], HISTORY_LIMITS),
  ];
  for (const result of results) {
    for (const { key, verdict, operations } of result.keys) {
      if (verdict === 'linearizable') cluster.coverage.add('history checked');
      const text = (): string => `${key}: ${JSON.stringify(operations)}`;
      cluster.violations.demand(verdict !== 'not-linearizable', 'linearizability', text);
    }
  }
}
