/**
 * `./scripts/with-node node packages/simulator/src/main.ts --seeds N [--seed S] [--time 30s]`: runs seeds, shows progress, speed and coverage. For
 * one seed: `--trace N` prints its last N lines, `--plan` what it decides, `--shrink` the smallest plan that fails alike. Exit code 1 and the command to see it again where a property was broken, 2 where too little happened.
 */
import { parseArgs } from 'node:util';
import { planOf } from './faults/plan.ts';
import type { Plan } from './faults/plan.ts';
import { runSimulation } from './run/run.ts';
import { shrink } from './run/shrink.ts';
import { simulate } from './run/simulate.ts';
import { coverageText, failureText, progressText } from './run/report.ts';

const SHRINK_RUNS_MAX_COUNT = 200;

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const USAGE_EXIT_CODE = 64;
const { values, firstSeed, timeMs, seeds, keepLines } = orUsage(() => {
  const parsed = parseArgs({
    options: {
      seeds: { type: 'string', default: '100' },
      seed: { type: 'string', default: '1' },
      time: { type: 'string', default: '30s' },
      trace: { type: 'string' },
      plan: { type: 'boolean', default: false },
      shrink: { type: 'boolean', default: false },
    },
  });
  const given = parsed.values;
  return {
    values: given,
    firstSeed: toCount('--seed', given.seed),
    timeMs: toMs(given.time),
    seeds: toCount('--seeds', given.seeds),
    keepLines: given.trace === undefined ? null : toCount('--trace', given.trace),
  };
});

if (values.plan) say(JSON.stringify(planOf(firstSeed, timeMs), null, 2));
else if (values.shrink) await shrinkOne();
else if (keepLines !== null) await traceOne(keepLines);
else await runMany(seeds);

/** Ends with one sentence where the arguments cannot be understood. */
function orUsage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.stderr.write('--seeds N [--seed S] [--time 30s]; for one seed: --trace LINES, --plan, --shrink\n');
    process.exit(USAGE_EXIT_CODE);
  }
}

async function traceOne(keepLines: number): Promise<void> {
  const result = await simulate(planOf(firstSeed, timeMs), { keepLines });
  for (const line of result.lastLines) say(line);
  say(`trace ${result.traceHash}, ${result.traceLines} lines`);
  if (result.violation === null) return;
  say(failureText({ seed: firstSeed, timeMs, violation: result.violation }));
  process.exitCode = 1;
}

async function shrinkOne(): Promise<void> {
  const plan = planOf(firstSeed, timeMs);
  const judge = async (candidate: Plan): Promise<string | null> =>
    (await simulate(candidate)).violation?.checker ?? null;
  const checker = await judge(plan);
  if (checker === null) return say(`seed ${firstSeed} breaks nothing`);
  const { plan: small, runs } = await shrink(plan, checker, judge, SHRINK_RUNS_MAX_COUNT);
  say(JSON.stringify(small, null, 2));
  say(`${checker}: ${plan.faults.length} faults became ${small.faults.length} in ${runs} runs`);
  process.exitCode = 1;
}

async function runMany(seeds: number): Promise<void> {
  let toldMs = 0;
  const result = await runSimulation({
    seeds,
    firstSeed,
    timeMs,
    onProgress: (progress) => {
      if (progress.elapsedMs - toldMs < 1000 && progress.seedsDone < seeds) return;
      toldMs = progress.elapsedMs;
      say(progressText(progress));
    },
  });
  say(coverageText(result.coverage));
  if (result.failure !== null) {
    say(failureText(result.failure));
    process.exitCode = 1;
  } else if (result.missing.length > 0) {
    say(`INVALID: too little happened; never: ${result.missing.join(', ')}`);
    process.exitCode = 2;
  }
}

function toCount(option: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`${option}: ${text} is no whole number`);
  return Number(text);
}

function toMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  if (match === null) throw new Error(`--time: ${text} is no duration; write 30s, 5m or 1h`);
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match[2] ?? 's'] ?? 1000;
  return Number(match[1]) * unit;
}
