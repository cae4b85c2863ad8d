/**
 * `./scripts/with-node node packages/simulator/src/mutations/main.ts [part of a name]…`: puts every fault of the table into the product, each in
 * a process of its own, and demands that the simulator finds it within its seeds. Writes docs/simulator-mutations.md when all
 * were run, in one go or in several on the same sources.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { MutationOutcome } from './child.ts';
import { KeptRows } from './kept.ts';
import { isAsExpected, tableOf } from './report.ts';
import type { MutationRow } from './report.ts';
import { MUTATIONS } from './table.ts';
import type { Mutation } from './table.ts';

const CHILD = fileURLToPath(new URL('./child.ts', import.meta.url));
const TABLE = fileURLToPath(new URL('../../../../docs/simulator-mutations.md', import.meta.url));
const CHILD_MAX_MS = 900_000;

const AT_ONCE_COUNT = 2;

const wanted = process.argv.slice(2);
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

const kept = new KeptRows();

async function judge(mutation: Mutation): Promise<MutationRow> {
  const before = kept.get(mutation.name);
  const startedMs = performance.now();
  const outcome = before?.outcome ?? (await run(mutation.name));
  const seconds = before?.seconds ?? (performance.now() - startedMs) / 1000;
  if (before === undefined && outcome.seeds > 0) kept.set(mutation.name, { outcome, seconds });
  const verdict = outcome.caughtBy === null ? 'passes' : 'caught';
  const found = outcome.caughtBy ?? outcome.text;
  say(
    `${verdict}  ${mutation.name}: ${found}, ${outcome.seeds} of ${mutation.withinSeeds} seeds, ${seconds.toFixed(1)} s`,
  );
  return { mutation, outcome, seconds };
}

const chosen = MUTATIONS.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
const waiting = chosen.entries();
const rows: MutationRow[] = [];

async function work(): Promise<void> {
  for (const [at, mutation] of waiting) rows[at] = await judge(mutation);
}

await Promise.all(Array.from({ length: AT_ONCE_COUNT }, work));
if (wanted.length === 0) await writeFile(TABLE, tableOf(rows));
const wrong = rows.filter((row) => !isAsExpected(row));
say(`${rows.length - wrong.length} of ${rows.length} as expected`);
for (const { mutation } of wrong) say(`WRONG  ${mutation.name}`);
if (wrong.length > 0 || rows.length === 0) process.exitCode = 1;
