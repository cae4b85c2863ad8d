/**
 * How long a cluster of three real processes takes to start, and how long it takes writes to be accepted again after the
 * leader is killed, stands still or hands over. Prints one table; the exit code is 1 where a handover failed a write.
 *
 *   ./scripts/with-node node bench/failover.ts [--kills 50] [--stops 10] [--transfers 20] [--starts 5]
 *
 * One start: from `flotilla demo` (what `npm start` runs, dependencies installed) to three nodes that answer GET /ready with
 * 200. One failover: SIGKILL of the leader to the first write that another node acknowledges; a client asks
 * again every 5 ms at most. The killed node is started again and ready before the next round. SIGSTOP is the same without an
 * end: no connection is reset, silence is all that tells. One transfer: the answer of POST /v1/leader/transfer, while a writer
 * through each node writes without pause; `writes held up` is their slowest write meanwhile.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { waitFor } from '@flotilla/shared/testing';
import {
  allReady,
  api,
  LAUNCHER,
  leaderNumber,
  NUMBERS,
  pidOf,
  REPOSITORY,
  startDemo,
  stopDemo,
} from './harness/demo-run.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    stops: { type: 'string', default: '10' },
    transfers: { type: 'string', default: '20' },
    starts: { type: 'string', default: '5' },
  },
});

const PATCH = '/v1/pools/api/backends/b1?wait=commit';

async function write(number: number, weight: number): Promise<boolean> {
  const headers = { 'content-type': 'application/json', connection: 'close' };
  const answer = await fetch(api(number) + PATCH, { method: 'PATCH', headers, body: JSON.stringify({ weight }) });
  await answer.arrayBuffer();
  return answer.status === 200;
}

/** Asks one of the others until it accepts a write; answers how long that took. */
async function untilAccepted(leader: number, round: number): Promise<number> {
  const startedMs = performance.now();
  const others = NUMBERS.filter((number) => number !== leader);
  const through = others[round % others.length] ?? 1;
  for (;;) {
    if (await write(through, 1 + (round % 900)).catch(() => false)) return performance.now() - startedMs;
    await sleep(5);
  }
}

const readyAgain = (): Promise<unknown> =>
  waitFor('all nodes to be ready', () => allReady().catch(() => false), { timeoutMs: 60_000, everyMs: 25 });

/** Kills the leader and answers how long writes through the others were not accepted. */
async function killed(data: string, round: number): Promise<number> {
  const leader = await leaderNumber();
  process.kill(pidOf({ data }, leader), 'SIGKILL');
  const tookMs = await untilAccepted(leader, round);
  const settings = join(data, `n${leader}.yaml`);
  spawn(LAUNCHER, ['node', '--config', settings], { cwd: REPOSITORY, stdio: 'ignore', detached: true }).unref();
  await readyAgain();
  return tookMs;
}

async function stopped(data: string, round: number): Promise<number> {
  const leader = await leaderNumber();
  const pid = pidOf({ data }, leader);
  process.kill(pid, 'SIGSTOP');
  try {
    return await untilAccepted(leader, round);
  } finally {
    process.kill(pid, 'SIGCONT');
    await readyAgain();
  }
}

/** Writes through one node without pause; `failed` counts what was not acknowledged. */
class SteadyWriter {
  slowestMs = 0;
  failed = 0;
  #running = true;
  readonly #work: Promise<void>;

  constructor(number: number) {
    this.#work = this.#run(number);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#work;
  }

  async #run(number: number): Promise<void> {
    let count = 0;
    while (this.#running) {
      count += 1;
      const startedMs = performance.now();
      const isAccepted = await write(number, 1 + (count % 900)).catch(() => false);
      if (!isAccepted) this.failed += 1;
      this.slowestMs = Math.max(this.slowestMs, performance.now() - startedMs);
    }
  }
}

async function transferred(): Promise<{ tookMs: number; heldMs: number; failed: number }> {
  const leader = await leaderNumber();
  const writers = NUMBERS.map((number) => new SteadyWriter(number));
  await sleep(200);
  const startedMs = performance.now();
  const answer = await fetch(`${api(leader)}/v1/leader/transfer`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  const tookMs = performance.now() - startedMs;
  await sleep(200);
  await Promise.all(writers.map((writer) => writer.stop()));
  if (answer.status !== 200) throw new Error(`transfer: status ${answer.status} ${await answer.text()}`);
  const heldMs = Math.max(...writers.map(({ slowestMs }) => slowestMs));
  return { tookMs, heldMs, failed: writers.reduce((sum, { failed }) => sum + failed, 0) };
}

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? NaN;
const row = (numbers: readonly number[]): object => ({
  median: `${Math.round(median(numbers))} ms`,
  worst: `${Math.round(Math.max(...numbers))} ms`,
  runs: numbers.length,
});

async function repeated<T>(count: number, run: (round: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let round = 0; round < count; round += 1) results.push(await run(round));
  return results;
}

const starts: number[] = [];
const table: Record<string, object> = {};
let failedWrites = 0;
for (let round = 0; round < Number(values.starts); round += 1) {
  const data = mkdtempSync(join(tmpdir(), 'flotilla-bench-'));
  const run = await startDemo(data);
  starts.push(run.readyMs);
  try {
    if (round < Number(values.starts) - 1) continue;
    table['leader killed to next accepted write'] = row(await repeated(Number(values.kills), (at) => killed(data, at)));
    table['leader stopped (SIGSTOP) to the same'] = row(
      await repeated(Number(values.stops), (at) => stopped(data, at)),
    );
    const transfers = await repeated(Number(values.transfers), () => transferred());
    table['leadership transferred'] = row(transfers.map(({ tookMs }) => tookMs));
    table['writes held up by a transfer'] = row(transfers.map(({ heldMs }) => heldMs));
    failedWrites = transfers.reduce((sum, { failed }) => sum + failed, 0);
  } finally {
    await stopDemo(run);
    rmSync(data, { recursive: true, force: true });
  }
}
console.table({ 'start to three ready nodes': row(starts), ...table });
console.log(`writes that a transfer failed: ${failedWrites}`);
process.exitCode = failedWrites === 0 ? 0 : 1;
