/**
 * The chaos report: a cluster of three real processes with traffic, sticky sessions and writes that are all accounted for,
 * and every fault done to it, one after the other and then several at once. Prints one table; the exit code is 1 unless
 * every column that must be zero is.
 *
 *   npm run chaos -- [--minutes 3] [--seed N]
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Account, ZEROS } from './account.ts';
import type { Sums } from './account.ts';
import { FAULTS } from './faults.ts';
import { tableOf } from './report.ts';
import type { Row } from './report.ts';
import { endure, runCombined, targetOf } from './schedule.ts';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '3' }, seed: { type: 'string' } } });
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const totalMs = Number(values.minutes) * 60_000;
if (!(totalMs > 0) || !Number.isInteger(seed)) {
  console.error('usage: npm run chaos -- [--minutes N] [--seed N]');
  process.exit(64);
}
/** Of the whole time: one fault after the other; at least once each. */
const SINGLE_RATIO = 0.6;
const COMBINED_MIN_MS = 40_000;
const COMBINED_SLICE_MS = 10_000;
const AT_ONCE = 2;

const startedMs = performance.now();
const elapsed = (): string => `${((performance.now() - startedMs) / 1_000).toFixed(0).padStart(4)} s`;
const say = (text: string): void => console.log(`${elapsed()}  ${text}`);

function difference(after: Sums, before: Sums): Sums {
  const entries = Object.entries(after).map(([name, value]) => [name, value - before[name as keyof Sums]]);
  return Object.fromEntries(entries) as unknown as Sums;
}

const addTo = (rows: Map<string, Row>, name: string, sums: Sums): void => {
  const row = rows.get(name);
  const sum = row === undefined ? sums : difference(sums, negated(row.sums));
  rows.set(name, { name, times: (row?.times ?? 0) + 1, sums: sum });
};
const negated = (sums: Sums): Sums =>
  Object.fromEntries(Object.entries(sums).map(([name, value]) => [name, -value])) as unknown as Sums;

async function singles(account: Account, rows: Map<string, Row>, untilMs: number): Promise<void> {
  const faults = FAULTS.filter((fault) => fault.possible?.(account.stage) ?? true);
  for (let round = 0; round === 0 || performance.now() < untilMs; round += 1) {
    for (const fault of faults) {
      if (round > 0 && performance.now() >= untilMs) return;
      const before = await account.sums();
      const node = await targetOf(account.stage.faulty.cluster.nodes, account.stage.random, fault);
      await endure(account.stage, fault, node);
      await account.recovered();
      const sums = difference(await account.sums(), before);
      addTo(rows, fault.name, sums);
      const bad = ZEROS.filter((name) => sums[name] > 0).map((name) => `${sums[name]} ${name}`);
      say(`${fault.name} (${node.id}): ${bad.length === 0 ? 'nothing lost' : bad.join(', ')}`);
    }
  }
}

async function combined(account: Account, rows: Map<string, Row>, untilMs: number): Promise<void> {
  while (performance.now() < untilMs) {
    const before = await account.sums();
    const sliceMs = Math.min(untilMs, performance.now() + COMBINED_SLICE_MS);
    const counts = await runCombined(account.stage, {
      untilMs: sliceMs,
      atOnce: AT_ONCE,
      nodes: account.stage.faulty.cluster.nodes,
      faults: FAULTS,
      say,
    });
    const times = [...counts.values()].reduce((sum, count) => sum + count, 0);
    await account.recovered();
    const sums = difference(await account.sums(), before);
    const row = rows.get('combined');
    addTo(rows, 'combined', sums);
    rows.set('combined', { ...rows.get('combined')!, times: (row?.times ?? 0) + times });
  }
}

async function run(): Promise<boolean> {
  say(`seed ${seed}`);
  const account = await Account.open(seed);
  const rows = new Map<string, Row>();
  try {
    for (const line of account.stage.faulty.machine.missing) say(`left out: ${line}`);
    const before = await account.sums();
    await singles(account, rows, startedMs + totalMs * SINGLE_RATIO);
    await combined(account, rows, Math.max(startedMs + totalMs, performance.now() + COMBINED_MIN_MS));
    const { sums, faults } = await account.close();
    const total = difference(sums, before);
    console.log(tableOf([...rows.values()], total));
    for (const fault of faults) console.log(fault);
    const isClean = ZEROS.every((name) => total[name] === 0);
    if (!isClean) keep(account);
    return isClean;
  } catch (error) {
    keep(account);
    throw error;
  } finally {
    await account[Symbol.asyncDispose]();
  }
}

function keep(account: Account): void {
  const file = join(mkdtempSync(join(tmpdir(), 'flotilla-chaos-')), 'nodes.log');
  writeFileSync(file, account.outputs);
  say(`what the nodes wrote: ${file}`);
}

process.exitCode = (await run()) ? 0 : 1;
