/**
 * Each way to start a process works under Node itself: vitest has a transform of its own and accepts syntax that Node's type
 * stripping refuses, so green unit tests do not prove that anything starts.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { codeFiles, read, report, root } from './workspace.ts';

const run = promisify(execFile);
const EXIT_USAGE = 64;

const flotilla = (...args: string[]) => run(process.execPath, [join(root, 'packages/cli/src/main.ts'), ...args]);

describe('entry points', () => {
  test('flotilla --version prints the version of package.json', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    const { stdout, stderr } = await flotilla('--version');
    expect(stdout).toContain(version);
    expect(stderr).toBe('');
  });

  test.each(['node', 'demo', 'backend'])('flotilla --help offers %s, which has a help of its own', async (command) => {
    const { stdout } = await flotilla('--help');
    expect(stdout).toMatch(new RegExp(`^\\s+${command}\\b`, 'm'));
    expect((await flotilla(command, '--help')).stdout).toContain('Usage');
  });

  test('an unknown command is a usage error', async () => {
    await expect(flotilla('no-such-command')).rejects.toMatchObject({ code: EXIT_USAGE });
  });

  test('the launcher becomes the command line itself', async () => {
    const { stdout } = await run(join(root, 'flotilla'), ['--version']);
    expect(stdout).toContain('.');
    expect(read('flotilla')).toMatch(/^exec /m);
  });

  test('launchers and scripts are executable', () => {
    const faults = ['flotilla', 'scripts/with-node', '.ci/run'].filter((path) => {
      try {
        accessSync(join(root, path), constants.X_OK);
        return false;
      } catch {
        return true;
      }
    });
    expect(report(faults, 'chmod +x, and git add --chmod=+x')).toBe('');
  });

  test('Node can strip the types of every file', () => {
    const faults = codeFiles()
      .filter((path) => path.endsWith('.ts'))
      .flatMap((path) => {
        try {
          stripTypeScriptTypes(read(path));
          return [];
        } catch (error) {
          return [`${path}: ${(error as Error).message.split('\n')[0]}`];
        }
      });
    expect(
      report(faults, 'no enum, namespace, parameter property or decorator: Node erases types, it compiles nothing'),
    ).toBe('');
  });
});
