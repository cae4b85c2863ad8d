/**
 * `flotilla sim` and `flotilla bench`: what a clone can prove about itself, as the scripts that do it. The arguments are theirs.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { EXIT } from '@flotilla/shared';
import { CliError } from '../cli-error.ts';
import { CLONE } from '../demo/plan.ts';
import { examples, show } from './api-command.ts';

const SIMULATOR = join(CLONE, 'packages/simulator/src/main.ts');
const BENCHES = join(CLONE, 'bench');

export function registerDevelop(program: Command): void {
  program.addCommand(
    new Command('sim')
      .description('Run the deterministic simulator: faults by seed, invariants checked, every run repeatable')
      .argument('[arguments...]', 'of the simulator: --seeds N, --seed S, --time 30s, --trace LINES, --plan')
      .allowUnknownOption()
      .helpOption('-h, --help')
      .action((args: string[]) => become([SIMULATOR, ...args]))
      .addHelpText('after', examples('sim --seeds 200', 'sim --seed 43 --trace 200', 'sim --seed 43 --plan')),
  );
  program.addCommand(
    new Command('bench')
      .description('List the benchmarks, or run one')
      .argument('[name]', 'which one')
      .argument('[arguments...]', 'its own')
      .allowUnknownOption()
      .action((name: string | undefined, args: string[]) => {
        if (name === undefined) return show(listBenches());
        const file = join(BENCHES, `${name}.ts`);
        if (!/^[\w-]+$/.test(name) || !existsSync(file)) {
          throw new CliError(EXIT.usage, `there is no benchmark ${name}:\n${listBenches()}`);
        }
        return become([file, ...args]);
      })
      .addHelpText('after', examples('bench', 'bench raft-commit')),
  );
}

function listBenches(): string {
  if (!existsSync(BENCHES)) throw new CliError(EXIT.failure, 'benchmarks are in a clone of the repository only');
  const names = readdirSync(BENCHES).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'));
  return names
    .sort()
    .map((file) => `${file.slice(0, -3).padEnd(16)} ${purposeOf(join(BENCHES, file))}`)
    .join('\n');
}

/** First sentence of the comment that a file opens with. */
function purposeOf(file: string): string {
  const comment = /\/\*\*([\s\S]*?)\*\//.exec(readFileSync(file, 'utf8'))?.[1] ?? '';
  const text = comment.replaceAll(/\s*\n\s*\*?\s*/g, ' ').trim();
  return (/^.*?[.:](?=\s|$)/.exec(text)?.[0] ?? text).replace(/:$/, '.');
}

/** Runs it in place of this command, as far as one process can: same terminal, same signals, same exit code. */
async function become(args: readonly string[]): Promise<void> {
  if (!existsSync(args[0] ?? '')) throw new CliError(EXIT.failure, 'this is in a clone of the repository only');
  const child = spawn(process.execPath, args, { stdio: 'inherit' });
  // Ctrl-C reaches both; the child decides.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  process.exitCode = await new Promise<number>((settle, reject) => {
    child.once('error', reject);
    child.once('close', (code) => settle(code ?? EXIT.internal));
  });
}
