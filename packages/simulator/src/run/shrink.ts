/**
 * Makes a failing plan smaller: fewer faults, less time, fewer clients, as long as the same property breaks. The smaller plan
 * is still run from its seed, so it replays like any other.
 */
import type { Plan } from '../faults/plan.ts';

/** The property that a plan breaks, or null. */
export type Judge = (plan: Plan) => Promise<string | null>;

export interface Shrunk {
  readonly plan: Plan;
  /** Runs that it took. */
  readonly runs: number;
}

export async function shrink(plan: Plan, checker: string, judge: Judge, maxRuns: number): Promise<Shrunk> {
  let best = plan;
  let runs = 0;
  const keepIf = async (candidate: Plan): Promise<boolean> => {
    if (runs >= maxRuns) return false;
    runs += 1;
    if ((await judge(candidate)) !== checker) return false;
    best = candidate;
    return true;
  };
  const lastMs = best.faults.at(-1)?.atMs ?? 0;
  if (lastMs + 1000 < best.timeMs) await keepIf({ ...best, timeMs: lastMs + 1000 });
  // Halves first, then smaller pieces (delta debugging); single faults until none can go any more.
  for (let size = Math.ceil(best.faults.length / 2); size >= 1 && runs < maxRuns; size = Math.floor(size / 2)) {
    for (let from = 0; from < best.faults.length; ) {
      const faults = [...best.faults.slice(0, from), ...best.faults.slice(from + size)];
      if (!(await keepIf({ ...best, faults }))) from += size;
      if (runs >= maxRuns) break;
    }
  }
  for (const clients of [1, 3]) {
    if (clients >= best.workload.clients) break;
    if (await keepIf({ ...best, workload: { ...best.workload, clients } })) break;
  }
  return { plan: best, runs };
}
