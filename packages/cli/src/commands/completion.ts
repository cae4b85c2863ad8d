/**
 * `flotilla completion`: a script for bash or zsh that completes commands and options, made from the commands themselves.
 */
import { Argument, Command } from 'commander';
import { examples, show } from './api-command.ts';

export function registerCompletion(program: Command): void {
  program.addCommand(
    new Command('completion')
      .description('Print a completion script for the shell')
      .addArgument(new Argument('<shell>', 'which one').choices(['bash', 'zsh']))
      .action((shell: 'bash' | 'zsh') => show(completionScript(program, shell)))
      .addHelpText('after', examples('completion bash > ~/.local/share/bash-completion/completions/flotilla')),
  );
}

/** zsh reads the bash script through its own emulation. */
export function completionScript(program: Command, shell: 'bash' | 'zsh'): string {
  const names = program.commands.map((command) => command.name()).join(' ');
  const cases = program.commands.map((command) => `    ${command.name()}) words="${optionsOf(command)}" ;;`).join('\n');
  const bash = `_flotilla() {
  local current=\${COMP_WORDS[COMP_CWORD]} words
  case \${COMP_WORDS[1]} in
${cases}
    *) words="${names}" ;;
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then words="${names} --help --version"; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _flotilla flotilla ./flotilla`;
  return shell === 'bash' ? bash : `autoload -U +X bashcompinit && bashcompinit\n${bash}`;
}

const optionsOf = (command: Command): string =>
  [...command.options.map((option) => option.long), '--help'].filter(Boolean).join(' ');
