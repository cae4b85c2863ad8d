/** The whole command line: every command teaches by example, under a name that completion knows. */
import type { Command } from 'commander';
import { expect, it } from 'vitest';
import { buildProgram } from './program.ts';

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => void (text += part) }).outputHelp();
  return text;
}

const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];

it('has an example in every help', () => {
  const silent = all(buildProgram()).filter((command) => !helpOf(command).includes('$ ./flotilla'));
  expect(silent.map((command) => command.name())).toEqual([]);
});

it('says after each error which help shows how it is done', async () => {
  for (const [args, help] of [
    [['weight', 'api'], './flotilla weight --help'],
    [['members', 'remove'], './flotilla members remove --help'],
    [['nonsense'], './flotilla --help'],
  ] as const) {
    const program = buildProgram();
    let told = '';
    for (const command of all(program)) command.configureOutput({ writeErr: (part) => void (told += part) });
    await expect(program.parseAsync(['node', 'flotilla', ...args])).rejects.toThrow();
    expect(told).toContain(help);
  }
});

it('has every command of the contract', () => {
  const names = buildProgram().commands.map((command) => command.name());
  const wanted =
    'status members leader get apply diff delete weight drain undrain watch health sessions explain history rollback ' +
    'transfer backup restore recover certs validate top node demo sim bench rolling-restart completion';
  expect(wanted.split(' ').filter((name) => !names.includes(name))).toEqual([]);
});
