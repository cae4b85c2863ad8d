/** The example of README.md runs as it stands there, by somebody who has nothing but the package. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts, waitFor } from '@flotilla/shared/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const LINES_MAX_COUNT = 50;
const NAMES = ['n1', 'n2', 'n3'];

let directory = '';
let example = '';
const processes: ChildProcess[] = [];

beforeAll(async () => {
  const readme = await readFile(join(PACKAGE, 'README.md'), 'utf8');
  example = /### A node in forty lines\n+```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  directory = await mkdtemp(join(tmpdir(), 'raft-readme-'));
  // A project of its own whose only dependency is the package.
  await mkdir(join(directory, 'node_modules/@flotilla'), { recursive: true });
  await symlink(PACKAGE, join(directory, 'node_modules/@flotilla/raft'));
  await writeFile(join(directory, 'package.json'), '{ "type": "module" }');
});

afterAll(async () => {
  for (const child of processes) child.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

/** What the process printed so far. */
function start(name: string): { readonly child: ChildProcess; readonly output: () => string } {
  const child = spawn(process.execPath, ['node.ts', name], { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  processes.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return { child, output: () => output };
}

test('three of them form a cluster, count to three, and stop when told', { timeout: 60_000 }, async () => {
  expect(example.split('\n').length).toBeLessThan(LINES_MAX_COUNT);
  const ports = await freePorts(NAMES.length);
  const source = example.replace('[7501, 7502, 7503]', `[${ports.join(', ')}]`);
  expect(source).not.toBe(example);
  await writeFile(join(directory, 'node.ts'), source);

  const nodes = NAMES.map(start);
  const sums = await waitFor(
    'the sums',
    () => {
      const found = nodes.map(({ output }) => Number(/result: (\d+)/.exec(output())?.[1]));
      if (nodes.some(({ child }) => child.exitCode !== null))
        throw new Error(nodes.map((node) => node.output()).join('\n'));
      return found.every(Number.isInteger) ? found : null;
    },
    { timeoutMs: 45_000 },
  );
  expect(new Set(sums)).toEqual(new Set([1, 2, 3]));
  for (const { child } of nodes) {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  }
});
