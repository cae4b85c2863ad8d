/**
 * Commands that act on the running cluster: drain, undrain, transfer, backup.
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import colors from 'picocolors';
import { EXIT, errorText } from '@flotilla/shared';
import { CliError } from '../cli-error.ts';
import type { ApiClient } from '../client/api-client.ts';
import { DRAIN_POLL_MS } from '../limits.ts';
import { renderValue } from '../output/render.ts';
import { apiCommand, apiContext, examples, remark, show, wholeNumber } from './api-command.ts';
import { resourcePath } from './config.ts';

export function registerOperate(program: Command): void {
  program.addCommand(drainCommand());
  program.addCommand(undrainCommand());
  program.addCommand(transferCommand());
  program.addCommand(backupCommand());
}

function drainCommand(): Command {
  return apiCommand('drain', 'Take a node or a backend out of service without losing a request')
    .argument('<target>', 'a node (n1), or a backend (api/b1)')
    .option('--propagation <ms>', 'node: wait until whatever distributes traffic has noticed', wholeNumber)
    .option('--deadline <ms>', 'node: close what is left after this long', wholeNumber)
    .option('--reason <text>', 'node: shown to others')
    .option('--force', 'node: even where no ready node or no quorum would be left')
    .option('--wait', 'node: show the progress and end when it is drained')
    .option('--then-stop', 'node: show the progress, then stop its process')
    .action(async (target: string, options: DrainOptions, command: Command) => {
      const { client } = apiContext(command);
      if (target.includes('/')) {
        const path = resourcePath('backends', target);
        await client.call({ method: 'PATCH', path, body: { state: 'draining' } });
        return show(`${target} gets no new sessions`);
      }
      const path = `/v1/members/${encodeURIComponent(target)}/drain`;
      const body = {
        ...(options.propagation !== undefined && { propagationMs: options.propagation }),
        ...(options.deadline !== undefined && { deadlineMs: options.deadline }),
        ...(options.reason !== undefined && { reason: options.reason }),
      };
      await client.call({ method: 'PUT', path: options.force ? `${path}?force=true` : path, body });
      show(`${target} drains; undo: ./flotilla undrain ${target}`);
      if (options.wait || options.thenStop) await followDrain(client, path);
      if (options.thenStop !== true) return;
      await client.call({ method: 'POST', path: `/v1/members/${encodeURIComponent(target)}/stop` });
      show(`${target} stops; it stays a member and stays drained until: ./flotilla undrain ${target}`);
    })
    .addHelpText('after', examples('drain n2 --wait --reason "kernel update"', 'drain n2 --then-stop', 'drain api/b1'));
}

/** Prints each phase and what is left of the connections, until the node is drained. */
async function followDrain(client: ApiClient, path: string): Promise<void> {
  let shown = '';
  for (;;) {
    const { phase, connections } = await client.get<{ phase: string; connections: number | null }>(path);
    const line = connections === null ? phase : `${phase}: ${connections} connections left`;
    if (line !== shown) show(line);
    shown = line;
    if (phase === 'drained') return;
    await sleep(DRAIN_POLL_MS);
  }
}

interface DrainOptions {
  readonly wait?: boolean;
  readonly thenStop?: boolean;
  readonly propagation?: number;
  readonly deadline?: number;
  readonly reason?: string;
  readonly force?: boolean;
}

function undrainCommand(): Command {
  return apiCommand('undrain', 'Take a node or a backend back into service')
    .argument('<target>', 'a node (n1), or a backend (api/b1)')
    .action(async (target: string, _options, command: Command) => {
      const { client } = apiContext(command);
      if (target.includes('/')) {
        await client.call({ method: 'PATCH', path: resourcePath('backends', target), body: { state: 'enabled' } });
      } else {
        await client.call({ method: 'DELETE', path: `/v1/members/${encodeURIComponent(target)}/drain` });
      }
      show(`${target} is in service again`);
    })
    .addHelpText('after', examples('undrain n2', 'undrain api/b1'));
}

function transferCommand(): Command {
  return apiCommand('transfer', 'Hand leadership to another node')
    .argument('[node]', 'to this one; otherwise to the most current')
    .action(async (node: string | undefined, _options, command: Command) => {
      const { client, format } = apiContext(command);
      const body = node === undefined ? {} : { to: node };
      const call = { method: 'POST', path: '/v1/leader/transfer', body };
      const { body: leader } = await client.call<{ id: string; api: string }>(call);
      show(format === 'table' ? `${leader.id} leads (${leader.api})` : renderValue(format, leader));
    })
    .addHelpText('after', examples('transfer', 'transfer n3'));
}

function backupCommand(): Command {
  return apiCommand(
    'backup',
    'Save the whole state of the cluster as it is now: configuration, history, sessions, verdicts, audit trail',
  )
    .argument('<file>', 'where to; - for standard output')
    .option('--secrets', 'with the private keys of certificates: keep the file as safe as them')
    .action(async (file: string, options: { secrets?: boolean }, command: Command) => {
      const { client } = apiContext(command);
      const body = await client.get<{ keysLeftOut: number }>(
        options.secrets ? '/v1/backup?secrets=true' : '/v1/backup',
      );
      const text = `${JSON.stringify(body)}\n`;
      if (file === '-') return void process.stdout.write(text);
      try {
        writeFileSync(file, text, { mode: 0o600 });
      } catch (error) {
        throw new CliError(EXIT.disk, `the backup cannot be written: ${errorText(error)}`);
      }
      if (body.keysLeftOut > 0)
        remark(
          colors.yellow(`${body.keysLeftOut} private keys are not in it, so it cannot be restored as it is: --secrets`),
        );
      return remark(`saved to ${file}; a new cluster from it: ./flotilla restore ${file} --data DIR`);
    })
    .addHelpText('after', examples('backup flotilla-backup.json', 'backup --secrets - | gpg -c > backup.gpg'));
}
