/**
 * `flotilla completion`: a script for bash or zsh that completes commands, their subcommands, options and the values of
 * options that have a fixed set, made from the commands themselves.
 */
import { Argument, Command } from 'commander';
import { examples, show } from './api-command.ts';

export function registerCompletion(program: Command): void {
  program.addCommand(
    new Command('completion')
      .description('Print a completion script for the shell')
      .addArgument(new Argument('<shell>', 'which one').choices(['bash', 'zsh']))
      .action((shell: 'bash' | 'zsh') => show(completionScript(program, shell)))
      .addHelpText(
        'after',
        examples(
          'completion bash > ~/.local/share/bash-completion/completions/flotilla',
          'completion zsh > ~/.zsh/flotilla.zsh   # and in ~/.zshrc, after compinit: source ~/.zsh/flotilla.zsh',
        ),
      ),
  );
}

/** zsh reads the bash script through its own emulation. */
export function completionScript(program: Command, shell: 'bash' | 'zsh'): string {
  const bash = `_flotilla() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} words
  case "\${COMP_WORDS[1]} \${COMP_WORDS[2]}" in
${program.commands.flatMap((command) => casesOf(command)).join('\n')}
    *) words="${wordsOf(program)}" ;;
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then words="${wordsOf(program)}"; fi
  case $previous in
${valuesOf(program)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _flotilla flotilla ./flotilla`;
  return shell === 'bash' ? bash : `autoload -U +X bashcompinit && bashcompinit\n${bash}`;
}

/** Subcommands first: the first pattern that fits counts. */
function casesOf(command: Command): string[] {
  const name = command.name();
  const below = command.commands.map((sub) => `    "${name} ${sub.name()}") words="${wordsOf(sub)}" ;;`);
  return [...below, `    "${name} "*) words="${wordsOf(command)}" ;;`];
}

const wordsOf = (command: Command): string =>
  [
    ...command.commands.map((sub) => sub.name()),
    ...command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
    ...command.options.map((option) => option.long),
    '--help',
  ]
    .filter(Boolean)
    .join(' ');

/** Options with a fixed set of values mean the same wherever they stand. */
function valuesOf(program: Command): string {
  const commands = program.commands.flatMap((command) => [command, ...command.commands]);
  const sets = new Map<string, string>();
  for (const option of commands.flatMap((command) => command.options)) {
    if (option.argChoices === undefined) continue;
    const flags = [option.short, option.long].filter(Boolean).join('|');
    sets.set(flags, option.argChoices.join(' '));
  }
  return [...sets].map(([flags, values]) => `    ${flags}) words="${values}" ;;`).join('\n');
}
