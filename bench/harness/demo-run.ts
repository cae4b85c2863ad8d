/** The demo as benchmarks use it: three real nodes and their backends, on ports apart from everybody else's, started and stopped. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@flotilla/shared/testing';

export const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
export const LAUNCHER = fileURLToPath(new URL('../../flotilla', import.meta.url));
export const NUMBERS = [1, 2, 3];
const SHIFT = 4_000;

export interface DemoRun {
  readonly child: ChildProcess;
  readonly data: string;
  readonly readyMs: number;
}

export const api = (number: number): string => `http://127.0.0.1:${7400 + SHIFT + number}`;
export const webPort = (number: number): number => 8080 + SHIFT + number;

/** `FLOTILLA_…` settings in `env` are for all three nodes. */
export async function startDemo(data: string, env: Readonly<Record<string, string>> = {}): Promise<DemoRun> {
  const startedMs = performance.now();
  const child = spawn(LAUNCHER, ['demo', '--data', data, '--port-shift', String(SHIFT)], {
    cwd: REPOSITORY,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  child.once('exit', (code) => {
    if (code !== 0) throw new Error(`the demo ended with exit code ${code}`);
  });
  await waitFor('three ready nodes', () => allReady(), { timeoutMs: 60_000 });
  return { child, data, readyMs: performance.now() - startedMs };
}

export async function allReady(): Promise<boolean> {
  const answers = await Promise.all(NUMBERS.map((number) => fetch(`${api(number)}/ready`)));
  return answers.every((answer) => answer.status === 200);
}

export async function stopDemo({ child }: DemoRun): Promise<void> {
  const ended = new Promise((settle) => child.once('exit', settle));
  child.kill('SIGINT');
  await ended;
}

/** Process id of a node. */
export function pidOf({ data }: Pick<DemoRun, 'data'>, number: number): number {
  return Number(readFileSync(join(data, `n${number}.pid`), 'utf8'));
}

export async function leaderNumber(): Promise<number> {
  return waitFor('a leader', async () => {
    const ids = await Promise.all(
      NUMBERS.map(async (number) => {
        const status = (await (await fetch(`${api(number)}/v1/status`)).json()) as { leader: { id: string } | null };
        return status.leader?.id ?? '';
      }),
    );
    return new Set(ids).size === 1 && ids[0] !== '' ? Number(ids[0]?.slice(1)) : null;
  });
}
