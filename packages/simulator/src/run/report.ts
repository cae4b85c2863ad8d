/** What a run says, as text. */
import type { Coverage } from './coverage.ts';
import type { RunProgress, RunResult } from './run.ts';

const HOUR_MS = 3_600_000;

export function progressText(progress: RunProgress): string {
  const { seedsDone, seeds, simulatedMs, elapsedMs, last } = progress;
  const hours = simulatedMs / HOUR_MS;
  const speed = hours / (elapsedMs / 1000);
  return `${seedsDone}/${seeds} seeds, last ${last.seed} (trace ${last.traceHash}), ${hours.toFixed(2)} simulated hours, ${speed.toFixed(4)} h/s`;
}

export function coverageText(coverage: Coverage): string {
  const lines = coverage.table().map(([kind, count]) => `  ${kind.padEnd(34)} ${String(count).padStart(10)}`);
  return ['coverage:', ...lines].join('\n');
}

export function failureText(failure: NonNullable<RunResult['failure']>): string {
  const { seed, timeMs, violation } = failure;
  return [
    `BROKEN: ${violation.checker}, seed ${seed}, at ${violation.atMs.toFixed(3)} ms`,
    `  ${violation.text.slice(0, 4000)}`,
    `replay: ./flotilla sim --seed ${seed} --seeds 1 --time ${timeMs}ms --trace 200`,
  ].join('\n');
}
