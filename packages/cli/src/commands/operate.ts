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
import type { OutputFormat } from '../output/render.ts';
import { apiCommand, apiContext, examples, numberBetween, remark, show, showDone, showStep } from './api-command.ts';
import { poolAndBackend, resourcePath } from './config.ts';

export function registerOperate(program: Command): void {
  program.addCommand(drainCommand());
  program.addCommand(undrainCommand());
  program.addCommand(transferCommand());
  program.addCommand(backupCommand());
}

/** As the API takes it: up to a day. */
export const drainMs = numberBetween(0, 86_400_000);

function drainCommand(): Command {
  return apiCommand('drain', 'Take a node or a backend out of service without losing a request')
    .argument('<target>', 'a node (n1), or a backend (api/b1)')
    .option('--propagation <ms>', 'node: wait until whatever distributes traffic has noticed', drainMs)
    .option('--deadline <ms>', 'node: close what is left after this long', drainMs)
    .option('--reason <text>', 'node: shown to others')
    .option('--force', 'node: even where no ready node or no quorum would be left')
    .option('--wait', 'node: show the progress and end when it is drained')
    .option('--then-stop', 'node: show the progress, then stop its process')
    .action(async (target: string, options: DrainOptions, command: Command) => {
      const { client, format } = apiContext(command);
      if (target.includes('/')) {
        const path = resourcePath('backends', poolAndBackend(target));
        const answer = await client.call({ method: 'PATCH', path, body: { state: 'draining' } });
        return showDone(format, `${target} gets no new sessions`, answer.body);
      }
      const path = `/v1/members/${encodeURIComponent(target)}/drain`;
      const body = {
        ...(options.propagation !== undefined && { propagationMs: options.propagation }),
        ...(options.deadline !== undefined && { deadlineMs: options.deadline }),
        ...(options.reason !== undefined && { reason: options.reason }),
      };
      const begun = await client.call({ method: 'PUT', path: options.force ? `${path}?force=true` : path, body });
      showStep(format, `${target} drains; undo: ./flotilla undrain ${target}`, begun.body);
      if (options.wait || options.thenStop) await followDrain(client, path, format);
      if (options.thenStop !== true) return;
      const stop = await client.call({ method: 'POST', path: `/v1/members/${encodeURIComponent(target)}/stop` });
      const sentence = `${target} stops; it stays a member and stays drained until: ./flotilla undrain ${target}`;
      showStep(format, sentence, stop.body);
    })
    .addHelpText('after', examples('drain n2 --wait --reason "kernel update"', 'drain n2 --then-stop', 'drain api/b1'));
}

/** Prints each phase and what is left of the connections, until the node is drained. */
async function followDrain(client: ApiClient, path: string, format: OutputFormat): Promise<void> {
  let shown = '';
  for (;;) {
    const drain = await client.get<{ phase: string; connections: number | null }>(path);
    const { phase, connections } = drain;
    const line = connections === null ? phase : `${phase}: ${connections} connections left`;
    if (line !== shown) showStep(format, line, drain);
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
      const { client, format } = apiContext(command);
      const call = target.includes('/')
        ? { method: 'PATCH', path: resourcePath('backends', poolAndBackend(target)), body: { state: 'enabled' } }
        : { method: 'DELETE', path: `/v1/members/${encodeURIComponent(target)}/drain` };
      const { body } = await client.call(call);
      showDone(format, `${target} is in service again`, body);
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
      const { client, format } = apiContext(command);
      const body = await client.get<{ keysLeftOut: number; revision: number }>(
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
      if (format !== 'table')
        show(renderValue(format, { file, revision: body.revision, keysLeftOut: body.keysLeftOut }));
      return remark(`saved to ${file}; a new cluster from it: ./flotilla restore ${file} --data DIR`);
    })
    .addHelpText('after', examples('backup flotilla-backup.json', 'backup --secrets - | gpg -c > backup.gpg'));
}
