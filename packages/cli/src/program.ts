/**
 * All commands in one place, and what is true of each: strict arguments, help that teaches, errors as exceptions.
 */
import { Command } from 'commander';
import { VERSION } from '@flotilla/node';
import { examples } from './commands/api-command.ts';
import { registerCerts } from './commands/certs.ts';
import { registerCompletion } from './commands/completion.ts';
import { registerCluster } from './commands/cluster.ts';
import { registerConfig } from './commands/config.ts';
import { registerDevelop } from './commands/develop.ts';
import { registerDemo } from './commands/demo.ts';
import { registerExplain } from './commands/explain.ts';
import { registerMembers } from './commands/members.ts';
import { registerNode } from './commands/node.ts';
import { registerOperate } from './commands/operate.ts';
import { registerRecover } from './commands/recover.ts';
import { registerRestore } from './commands/restore.ts';
import { registerRollingRestart } from './commands/rolling-restart.ts';
import { registerTop } from './commands/top.ts';
import { registerWatch } from './commands/watch.ts';

export function buildProgram(): Command {
  const program = new Command('flotilla')
    .description('Load balancers that agree: run nodes, look at a cluster and change it.')
    .version(VERSION, '-V, --version')
    // Options belong to the command that they follow: `members remove` has its own --server.
    .enablePositionalOptions()
    .addHelpText(
      'after',
      `${examples(
        'demo                       three nodes and three backends on this machine',
        'status                     who leads, who is alive',
        'get config > cluster.yaml  read, edit …',
        'apply cluster.yaml         … and change, on all nodes at once',
        'weight api/b1 50',
        'health',
      )}
Exit codes: 0 done, 1 refused or different, 64 usage, 69 unavailable, 70 bug, 74 disk, 78 configuration.
Environment: FLOTILLA_SERVER, FLOTILLA_TOKEN, FLOTILLA_CA; those of a node are in \`flotilla node --help\`.
`,
    );
  registerDemo(program);
  registerNode(program);
  registerCluster(program);
  registerMembers(program);
  registerConfig(program);
  registerOperate(program);
  registerExplain(program);
  registerWatch(program);
  registerCerts(program);
  registerRecover(program);
  registerRestore(program);
  registerRollingRestart(program);
  registerTop(program);
  registerDevelop(program);
  registerCompletion(program);
  forEach(program, (command, path) => {
    command.exitOverride().showHelpAfterError(`(./${path} --help shows what is possible, with examples)`);
  });
  return program;
}

/** The command and all below it, each with how it is called. */
function forEach(command: Command, act: (command: Command, path: string) => void, above = ''): void {
  const path = `${above}${command.name()}`;
  act(command, path);
  for (const below of command.commands) forEach(below, act, `${path} `);
}
