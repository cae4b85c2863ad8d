/**
 * How long a cluster of three real processes takes to start, and how long it takes writes to be accepted again after the
 * leader is killed. Prints one table.
 *
 *   node bench/failover.ts [--kills 20] [--starts 5]
 *
 * One start: from `flotilla demo` (what `npm start` runs, dependencies installed) to three nodes that answer GET /ready with
 * 200. One failover: SIGKILL of the leader to the first write that another node acknowledges; a client asks
 * again every 5 ms at most. The killed node is started again and ready before the next round.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { waitFor } from '@flotilla/shared/testing';
import { allReady, api, LAUNCHER, leaderNumber, NUMBERS, pidOf, REPOSITORY, startDemo, stopDemo } from './demo-run.ts';

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '20' }, starts: { type: 'string', default: '5' } },
});

const PATCH = '/v1/pools/api/backends/b1?wait=commit';

async function write(number: number, weight: number): Promise<boolean> {
  const headers = { 'content-type': 'application/json', connection: 'close' };
  const answer = await fetch(api(number) + PATCH, { method: 'PATCH', headers, body: JSON.stringify({ weight }) });
  await answer.arrayBuffer();
  return answer.status === 200;
}

/** Kills the leader and answers how long writes through the others were not accepted. */
async function failover(data: string, round: number): Promise<number> {
  const leader = await leaderNumber();
  const others = NUMBERS.filter((number) => number !== leader);
  const pid = pidOf({ data }, leader);
  const startedMs = performance.now();
  process.kill(pid, 'SIGKILL');
  const through = others[round % others.length] ?? 1;
  for (;;) {
    const accepted = await write(through, 1 + (round % 900)).catch(() => false);
    if (accepted) break;
    await sleep(5);
  }
  const tookMs = performance.now() - startedMs;
  const settings = join(data, `n${leader}.yaml`);
  spawn(LAUNCHER, ['node', '--config', settings], { cwd: REPOSITORY, stdio: 'ignore', detached: true }).unref();
  await waitFor('the killed node to be ready', () => allReady(), { timeoutMs: 60_000, everyMs: 25 });
  return tookMs;
}

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? NaN;
const row = (numbers: readonly number[]): object => ({
  median: `${Math.round(median(numbers))} ms`,
  worst: `${Math.round(Math.max(...numbers))} ms`,
  runs: numbers.length,
});

const starts: number[] = [];
const failovers: number[] = [];
for (let round = 0; round < Number(values.starts); round += 1) {
  const data = mkdtempSync(join(tmpdir(), 'flotilla-bench-'));
  const run = await startDemo(data);
  starts.push(run.readyMs);
  const isLast = round === Number(values.starts) - 1;
  try {
    for (let kill = 0; isLast && kill < Number(values.kills); kill += 1) failovers.push(await failover(data, kill));
  } finally {
    await stopDemo(run);
    rmSync(data, { recursive: true, force: true });
  }
}
console.table({ 'start to three ready nodes': row(starts), 'leader killed to next accepted write': row(failovers) });
