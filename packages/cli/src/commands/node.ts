/**
 * `flotilla node` and `flotilla backend`: the commands that become a long-running process.
 */
import { Command, InvalidArgumentError, Option } from 'commander';
import { EXIT, errorText } from '@flotilla/shared';
import {
  removePidFile,
  resolveSettings,
  runNode,
  SETTING_KEYS,
  SETTINGS,
  flagName,
  environmentName,
  isSwitch,
  writePidFile,
} from '@flotilla/node';
import type { SettingKey } from '@flotilla/node';
import { startSampleBackend } from '../backend/sample-backend.ts';
import { CliError } from '../cli-error.ts';
import { examples, remark } from './api-command.ts';

const PORT_MAX = 65_535;

export function registerNode(program: Command): void {
  program.addCommand(nodeCommand());
  program.addCommand(backendCommand());
}

function nodeCommand(): Command {
  const command = new Command('node').description(
    'Run one node. Settings come from flotilla.yaml, then the environment, then flags; later wins.',
  );
  command.option('--config <file>', 'settings file (default flotilla.yaml where it exists)');
  for (const key of SETTING_KEYS) {
    const { help } = SETTINGS[key];
    const flag = isSwitch(key) ? flagName(key) : `${flagName(key)} <${placeholder(key)}>`;
    command.option(flag, `${help} [${environmentName(key)}]`);
  }
  return command
    .action(async (flags: Partial<Record<SettingKey, string | boolean>> & { config?: string }) => {
      const { config, ...rest } = flags;
      const resolve = () => resolveSettings({ file: config, environment: process.env, flags: rest });
      const resolved = resolve();
      if (!resolved.ok) {
        remark('flotilla: these settings cannot be used:');
        for (const { path, message } of resolved.faults) remark(`  ${path}: ${message}`);
        process.exit(EXIT.configuration);
      }
      process.exit(await runNode(resolved.settings, resolve));
    })
    .addHelpText(
      'after',
      examples(
        'node --node-id n1',
        'node --node-id n1 --peers n1=10.0.0.1:7500,n2=10.0.0.2:7500,n3=10.0.0.3:7500 \\\n      --raft-listen 10.0.0.1:7500 --cluster-secret "$(cat secret)"',
        'node --config /etc/flotilla/flotilla.yaml',
      ),
    );
}

const placeholder = (key: SettingKey): string => {
  const definition = SETTINGS[key];
  return 'value' in definition ? definition.value.toLowerCase() : 'value';
};

const BACKEND_LISTEN = '127.0.0.1:9101';

interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

function listenAddress(text: string): ListenAddress {
  const [, host, digits] = /^(\[[0-9a-f:.]+\]|[^:[\]/]+):(\d{1,5})$/i.exec(text) ?? [];
  const port = Number(digits);
  if (host === undefined || !(port <= PORT_MAX))
    throw new InvalidArgumentError('must be HOST:PORT, e.g. 127.0.0.1:9101');
  return { host: host.replace(/^\[|\]$/g, ''), port };
}

interface BackendOptions {
  readonly id: string;
  readonly listen: ListenAddress;
  readonly pidFile?: string;
  readonly stopOnStdinClose?: boolean;
}

function backendCommand(): Command {
  return new Command('backend')
    .description('Run a sample backend: answers any request with what it received; POST /fail makes GET /ready say 503')
    .option('--id <id>', 'name in its answers', 'b1')
    .addOption(
      new Option('--listen <host:port>', 'address')
        .default(listenAddress(BACKEND_LISTEN), BACKEND_LISTEN)
        .argParser(listenAddress),
    )
    .option('--pid-file <file>', 'write the process id here while running')
    .option('--stop-on-stdin-close', 'stop when standard input closes')
    .action(runBackend)
    .addHelpText('after', examples('backend --id b1 --listen 127.0.0.1:9101'));
}

async function runBackend(options: BackendOptions): Promise<void> {
  const { host, port } = options.listen;
  const backend = await startSampleBackend({ id: options.id, host, port }).catch((error: unknown) => {
    throw new CliError(EXIT.unavailable, `${host}:${port} cannot be listened on: ${errorText(error)}`);
  });
  if (options.pidFile !== undefined) writePidFile(options.pidFile);
  remark(`backend ${options.id} listens on ${host}:${backend.port}`);
  let stopping = false;
  const stop = (): void => {
    if (stopping) process.exit(EXIT.clean);
    stopping = true;
    void backend.close().then(() => {
      if (options.pidFile !== undefined) removePidFile(options.pidFile);
      process.exit(EXIT.clean);
    });
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  if (options.stopOnStdinClose) process.stdin.on('close', stop).on('error', stop).resume();
}
