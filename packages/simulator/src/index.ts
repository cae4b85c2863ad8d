/** Deterministic simulation of a cluster on virtual time, network and disk; and the judge of histories, of simulated and of real clusters. */
export { checkHistory } from './linearizability/checker.ts';
export type { CheckResult, KeyResult, Verdict } from './linearizability/checker.ts';
export { counterModel, registerModel } from './linearizability/history.ts';
export type {
  CounterInput,
  CounterOutput,
  Model,
  Operation,
  RegisterInput,
  RegisterOutput,
} from './linearizability/history.ts';
export { drawTimeline } from './linearizability/timeline.ts';
export { runSimulation } from './run/run.ts';
export type { RunOptions, RunProgress, RunResult } from './run/run.ts';
export { coverageText, failureText, progressText } from './run/report.ts';
