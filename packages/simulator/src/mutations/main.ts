/**
 * `node packages/simulator/src/mutations/main.ts [part of a name]`: puts every fault of the table into the product, one at a
 * time, and demands that the simulator finds it within its seeds. Writes docs/simulator-mutations.md when all were run.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { MutationOutcome } from './child.ts';
import { tableOf } from './report.ts';
import type { MutationRow } from './report.ts';
import { MUTATIONS } from './table.ts';

const CHILD = fileURLToPath(new URL('./child.ts', import.meta.url));
const TABLE = fileURLToPath(new URL('../../../../docs/simulator-mutations.md', import.meta.url));
const CHILD_MAX_MS = 900_000;

const [, , wanted = ''] = process.argv;
const say = (text: string): void => void process.stdout.write(`${text}\n`);

async function run(name: string): Promise<MutationOutcome> {
  const child = spawn(process.execPath, [CHILD, name], { stdio: ['ignore', 'pipe', 'inherit'], timeout: CHILD_MAX_MS });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString('utf8');
  });
  await once(child, 'close');
  const line = output.trim().split('\n').at(-1) ?? '';
  if (line === '') return { name, caughtBy: null, seeds: 0, text: 'the process ended without an answer' };
  return JSON.parse(line) as MutationOutcome;
}

const rows: MutationRow[] = [];
for (const mutation of MUTATIONS.filter(({ name }) => name.includes(wanted))) {
  const startedMs = performance.now();
  const outcome = await run(mutation.name);
  const seconds = (performance.now() - startedMs) / 1000;
  rows.push({ mutation, outcome, seconds });
  say(
    `${outcome.caughtBy === null ? 'MISSED' : 'caught'}  ${mutation.name}: ${outcome.caughtBy ?? outcome.text}, ${outcome.seeds} of ${mutation.withinSeeds} seeds, ${seconds.toFixed(1)} s`,
  );
}
if (wanted === '') await writeFile(TABLE, tableOf(rows));
const missed = rows.filter(({ outcome }) => outcome.caughtBy === null);
say(`${rows.length - missed.length} of ${rows.length} caught`);
if (missed.length > 0 || rows.length === 0) process.exitCode = 1;
