/** Story: `npm start` as a user lives it: ready, a node killed and brought back by the printed line, Ctrl-C, started again. */
import { createServer } from 'node:net';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readPidFile } from '@flotilla/node';
import { waitFor } from '@flotilla/shared/testing';
import { apiOf } from '../harness/api.ts';
import { isFree } from '../harness/ports.ts';
import { flotilla, FlotillaProcess, REPOSITORY } from '../harness/process.ts';

/** Beside whatever demo a developer may have running. */
const SHIFT = await freeShift();
/** Tells an end from a hang on a busy machine; an idle one needs a second or two. */
const STOPPED_WITHIN_MS = 20_000;
const PARTS = ['n1', 'n2', 'n3', 'b1', 'b2', 'b3'];

const data = mkdtempSync(join(tmpdir(), 'flotilla-demo-'));
const demo = new FlotillaProcess(['demo', '--data', data, '--port-shift', String(SHIFT)]);
const api = (number: number) => apiOf(`http://127.0.0.1:${7400 + number + SHIFT}`);

afterAll(async () => {
  if (demo.isRunning) await demo.end('SIGKILL');
  await noneLeft();
  rmSync(data, { recursive: true, force: true });
});

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

let pids: number[] = [];
const rememberPids = (): void => {
  pids = PARTS.map((id) => readPidFile(join(data, `${id}.pid`)) ?? 0);
};
const noneLeft = (): Promise<boolean> =>
  waitFor('every process of the demo to be gone', () => pids.every((pid) => !isAlive(pid)), { timeoutMs: 15_000 });

async function stop(signal: NodeJS.Signals): Promise<void> {
  const startedMs = performance.now();
  expect(await demo.end(signal)).toEqual({ code: 0, signal: null });
  expect(performance.now() - startedMs).toBeLessThan(STOPPED_WITHIN_MS);
  await noneLeft();
}

it('starts, says what to try, and carries traffic on three ports', async () => {
  demo.start();
  await demo.waitForOutput('Ctrl-C stops everything', 60_000);
  rememberPids();
  expect(pids.every((pid) => pid > 0 && isAlive(pid))).toBe(true);
  for (const number of [1, 2, 3]) {
    expect((await api(number)('GET', '/ready')).status).toBe(200);
    const answer = await fetch(`http://127.0.0.1:${8080 + number + SHIFT}/hello`);
    expect(((await answer.json()) as { path: string }).path).toBe('/hello');
  }
});

it('goes on when a node is killed, and the printed line brings it back', async () => {
  process.kill(pids[0]!, 'SIGKILL');
  await demo.waitForOutput('n1 is gone');
  expect((await api(2)('PATCH', '/v1/pools/api/backends/b1', { body: { weight: 33 } })).status).toBe(200);
  const line = /This brings it back: (.*n1\.yaml)/.exec(demo.output)?.[1];
  const byHand = spawn('sh', ['-c', `exec ${line}`], { cwd: REPOSITORY, stdio: 'ignore' });
  byHand.unref();
  await demo.waitForOutput('n1 is ready again', 30_000);
  rememberPids();
  expect((await api(1)('GET', '/v1/pools/api/backends/b1')).body.weight).toBe(33);
});

it('refuses a second demo on the same ports and data, and leaves the first one alone', async () => {
  const { code, stderr } = await flotilla(['demo', '--data', data, '--port-shift', String(SHIFT)]);
  expect([code, stderr]).toEqual([
    69,
    expect.stringContaining(`port ${7401 + SHIFT} (API of n1) is taken by an earlier`),
  ]);
  expect(pids.every(isAlive)).toBe(true);
});

it('stops everything within five seconds of Ctrl-C, what was started by hand too', () => stop('SIGINT'));

it('keeps its state over a restart', async () => {
  demo.start();
  await waitFor('the state', async () => (await api(3)('GET', '/v1/pools/api/backends/b1')).body.weight === 33, {
    timeoutMs: 60_000,
  });
  await waitFor('all pids', () => {
    rememberPids();
    return pids.every((pid) => pid > 0 && isAlive(pid));
  });
});

it('leaves no process behind where the demo itself is killed', async () => {
  await demo.end('SIGKILL');
  await noneLeft();
});

it('ends with 69 and names the port that is taken', async () => {
  const holder = createServer();
  await new Promise<void>((settle, reject) => {
    holder.once('error', reject);
    holder.listen(7402 + SHIFT, '127.0.0.1', settle);
  });
  demo.start();
  const ended = await demo.waitForEnd();
  holder.close();
  expect(ended.code).toBe(69);
  expect(demo.output).toContain(`port ${7402 + SHIFT} (API of n2) is taken`);
});

/** A distance by which every port of the demo can be moved to a free one. */
async function freeShift(): Promise<number> {
  const bases = [7400, 7500, 8080, 9100];
  for (;;) {
    const shift = 1_000 + Math.floor(Math.random() * 18_000);
    const ports = bases.flatMap((base) => [1, 2, 3].map((number) => base + number + shift));
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return shift;
  }
}
