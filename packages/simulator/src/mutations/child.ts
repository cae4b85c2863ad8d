/**
 * One process per fault: loads the product with the fault in it, runs seeds until a checker speaks, and prints what it found
 * as one line of JSON.
 */
import { loadMutated } from './load-mutated.ts';
import { MUTATIONS } from './table.ts';

export interface MutationOutcome {
  readonly name: string;
  readonly caughtBy: string | null;
  readonly seeds: number;
  readonly text: string;
}

const [, , name = ''] = process.argv;
const mutation = MUTATIONS.find((each) => each.name === name);
if (mutation === undefined) throw new Error(`no fault is called ${name}`);

const wasApplied = loadMutated(mutation);

function tell(outcome: Omit<MutationOutcome, 'name'>): void {
  process.stdout.write(`${JSON.stringify({ name, ...outcome })}\n`);
}

let seeds = 1;
process.on('unhandledRejection', (error) => {
  tell({ caughtBy: 'no uncaught error', seeds, text: String(error) });
  process.exit(0);
});

const { runSimulation } = await import('../run/run.ts');
const result = await runSimulation({
  seeds: mutation.withinSeeds,
  firstSeed: 1,
  onProgress: ({ seedsDone }) => {
    seeds = seedsDone + 1;
  },
});
if (!wasApplied()) throw new Error(`${name}: a file of it was never loaded`);
tell({
  caughtBy: result.failure?.violation.checker ?? null,
  seeds: result.seedsDone,
  text: (result.failure?.violation.text ?? '').slice(0, 200),
});
