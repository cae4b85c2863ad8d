/** The set-up that every command begins with: its lock between processes, its silence when all is there, the test runner's last line. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { root } from './workspace.ts';

const run = promisify(execFile);
const EXIT_USAGE = 64;
const script = (name: string): string => join(root, 'scripts', name);

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flotilla-setup-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** A process that adds one to a number in a file, slowly enough to lose an update where the lock does not hold. */
function increment(): Promise<unknown> {
  const file = JSON.stringify(join(directory, 'count'));
  const program = `
    import { readFileSync, writeFileSync } from 'node:fs';
    import { setTimeout as pause } from 'node:timers/promises';
    const { withLock } = await import(${JSON.stringify(script('lock.mjs'))});
    await withLock(${JSON.stringify(join(directory, 'lock'))}, () => {}, async () => {
      const count = Number(readFileSync(${file}, 'utf8'));
      await pause(30);
      writeFileSync(${file}, String(count + 1));
    });`;
  return run(process.execPath, ['--input-type=module', '--eval', program]);
}

const count = async (): Promise<number> => Number(await readFile(join(directory, 'count'), 'utf8'));

describe('the lock of the set-up', () => {
  test('lets one process work at a time', async () => {
    await writeFile(join(directory, 'count'), '0');
    await Promise.all([increment(), increment(), increment(), increment()]);
    expect(await count()).toBe(4);
    expect(existsSync(join(directory, 'lock'))).toBe(false);
  });

  test('is taken over from a process that died', async () => {
    await writeFile(join(directory, 'count'), '0');
    const { stdout } = await run(process.execPath, ['--print', 'process.pid']);
    await mkdir(join(directory, 'lock'));
    await writeFile(join(directory, 'lock', 'owner.json'), JSON.stringify({ pid: Number(stdout), host: hostname() }));
    await Promise.all([increment(), increment()]);
    expect(await count()).toBe(2);
  });
});

describe('commands', () => {
  test('a clone that is set up is not touched again, and nothing is said', async () => {
    const stamp = join(root, '.tools/stamp.json');
    const before = await readFile(stamp, 'utf8');
    const { stdout, stderr } = await run(process.execPath, [script('bootstrap.mjs')]);
    expect(stdout + stderr).toBe('');
    expect(await readFile(stamp, 'utf8')).toBe(before);
  });

  test('with-node runs the Node of the repository and hands its exit code on', async () => {
    const { stdout } = await run(script('with-node'), ['node', '--print', 'process.execPath']);
    expect(stdout.trim()).toContain('node');
    await expect(run(script('with-node'), ['node', '--eval', 'process.exit(7)'])).rejects.toMatchObject({ code: 7 });
  });

  test('npm test ends with its sums', async () => {
    const { stdout } = await run(process.execPath, [
      script('test.mjs'),
      '--only',
      'unit',
      '--',
      'scripts/no-such-test',
    ]);
    expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/^\d+ passed, \d+ failed(, \d+ skipped)?$/);
  });

  test('npm test refuses a step that it does not know', async () => {
    await expect(run(process.execPath, [script('test.mjs'), '--only', 'nothing'])).rejects.toMatchObject({
      code: EXIT_USAGE,
    });
  });
});
