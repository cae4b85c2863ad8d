/**
 * Commands for the configuration: get, apply, diff, validate, delete, weight, history, rollback.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import type { ApiClient } from '../client/api-client.ts';
import { CliError } from '../cli-error.ts';
import { renderDiff } from '../output/diff.ts';
import type { ConfigDiff } from '../output/diff.ts';
import { renderList, renderValue } from '../output/render.ts';
import {
  apiCommand,
  apiContext,
  examples,
  numberBetween,
  remark,
  show,
  showDone,
  waitOption,
  wholeNumber,
} from './api-command.ts';
import { EXIT } from '@flotilla/shared';

const WEIGHT_MAX = 1_000;
/** As the API has them: what is none must not become part of a path. */
const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;
const KINDS = ['listeners', 'pools', 'certificates'] as const;

interface Written {
  readonly revision: number | string;
  readonly diff?: ConfigDiff;
}

export function registerConfig(program: Command): void {
  program.addCommand(getCommand());
  program.addCommand(applyCommand());
  program.addCommand(diffCommand());
  program.addCommand(validateCommand());
  program.addCommand(deleteCommand());
  program.addCommand(weightCommand());
  program.addCommand(historyCommand());
  program.addCommand(rollbackCommand());
}

/** `pools/api`, `pools api`, `backends api/b1`, `pools/api/backends/b1` → API path. */
export function resourcePath(kind: string, name: string | undefined): string {
  const [first = '', ...rest] = [...kind.split('/'), ...(name?.split('/') ?? [])].filter((part) => part !== '');
  const strange = rest.find((part) => !NAME.test(part));
  if (strange !== undefined)
    throw new CliError(EXIT.usage, `"${strange}" is no name: small letters, digits and dashes, at most 63`);
  const encoded = rest.map(encodeURIComponent);
  if (first === 'config' && rest.length === 0) return '/v1/config';
  if (first === 'backends' && rest.length >= 1 && rest.length <= 2) {
    return ['/v1/pools', encoded[0], 'backends', ...encoded.slice(1)].join('/');
  }
  if (KINDS.some((known) => known === first || known === `${first}s`)) {
    return ['/v1', first.endsWith('s') ? first : `${first}s`, ...encoded].join('/');
  }
  if (first === 'backends')
    throw new CliError(EXIT.usage, 'backends of which pool? backends POOL, or backends POOL/ID');
  throw new CliError(EXIT.usage, `"${kind}" is not config, listeners, pools, backends or certificates`);
}

function getCommand(): Command {
  return apiCommand('get', 'Show the configuration or a part of it')
    .argument('<kind>', 'config, listeners, pools, backends or certificates')
    .argument('[name]', 'one of them; backends: POOL or POOL/ID')
    .option('--local', 'what the answering node itself knows, without asking the others')
    .action(async (kind: string, name: string | undefined, options: { local?: boolean }, command: Command) => {
      const { client, format } = apiContext(command);
      const path = resourcePath(kind, name);
      const answer = await client.call<unknown>({ path: options.local ? `${path}?consistency=local` : path });
      show(renderValue(format === 'table' ? 'yaml' : format, answer.body));
      if (answer.revision !== null && process.stderr.isTTY) remark(`# revision ${answer.revision}`);
    })
    .addHelpText('after', examples('get config > cluster.yaml', 'get pools api', 'get backends api/b1 --output json'));
}

function readDocument(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new CliError(EXIT.usage, `${file} cannot be read: ${(error as Error).message}`);
  }
}

/** What a document would change, found by the cluster itself; nothing is changed. */
async function dryRun(client: ApiClient, yaml: string): Promise<Dry> {
  const current = await client.call<unknown>({ path: '/v1/config' });
  const answer = await client.call<Written>({ method: 'PUT', path: '/v1/config?dryRun=true', yaml });
  return { changes: renderDiff(answer.body.diff), body: answer.body, revision: current.revision };
}

interface Dry {
  /** '' where nothing differs. */
  readonly changes: string;
  readonly body: Written;
  readonly revision: string | null;
}

function applyCommand(): Command {
  return apiCommand(
    'apply',
    'Replace the configuration by a document: shows the difference, asks, changes all or nothing',
  )
    .argument('<file>', 'YAML or JSON; - for standard input')
    .option('-y, --yes', 'do not ask')
    .addOption(waitOption())
    .action(async (file: string, options: { yes?: boolean; wait: string }, command: Command) => {
      const { client, format } = apiContext(command);
      const yaml = readDocument(file);
      const { changes, body, revision } = await dryRun(client, yaml);
      if (changes === '') return showDone(format, 'nothing to change', body);
      // For programs it is in the answer; whoever is asked wants to see it before.
      if (format === 'table') show(changes);
      else if (!options.yes) remark(changes);
      if (!options.yes && !(await confirm('apply this?'))) throw new CliError(EXIT.failure, 'nothing was changed');
      // If-Match: what was shown is what is done, or nothing.
      const ifMatch = revision === null ? {} : { ifMatch: revision };
      const path = `/v1/config?wait=${encodeURIComponent(options.wait)}`;
      const written = await client.call<Written>({ method: 'PUT', path, yaml, ...ifMatch });
      return showDone(format, `revision ${written.body.revision}`, { ...written.body, diff: body.diff });
    })
    .addHelpText('after', examples('apply cluster.yaml', 'apply --yes - < cluster.yaml'));
}

async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new CliError(EXIT.usage, 'no terminal to ask on: say --yes');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-C and Ctrl-D are a no.
  const { promise: left, resolve } = Promise.withResolvers<string>();
  const leave = (): void => {
    process.stderr.write('\n');
    resolve('no');
  };
  terminal.on('close', leave).on('SIGINT', () => terminal.close());
  try {
    const answer = await Promise.race([terminal.question(`${question} [y/N] `), left]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.off('close', leave).close();
  }
}

function diffCommand(): Command {
  return apiCommand('diff', 'Show what apply would change; exit code 1 where there is something')
    .argument('<file>', 'YAML or JSON; - for standard input')
    .action(async (file: string, _options, command: Command) => {
      const { client, format } = apiContext(command);
      const { changes, body } = await dryRun(client, readDocument(file));
      if (format !== 'table') show(renderValue(format, body.diff));
      if (changes === '') return;
      if (format === 'table') show(changes);
      process.exitCode = EXIT.failure;
    })
    .addHelpText('after', examples('diff cluster.yaml'));
}

function validateCommand(): Command {
  return apiCommand('validate', 'Check a document; every fault is listed, nothing is changed')
    .argument('<file>', 'YAML or JSON; - for standard input')
    .action(async (file: string, _options, command: Command) => {
      const { client, format } = apiContext(command);
      await client.call({
        method: 'PUT',
        path: '/v1/config?dryRun=true',
        yaml: readDocument(file),
      });
      showDone(format, 'valid', { valid: true });
    })
    .addHelpText('after', examples('validate cluster.yaml'));
}

function deleteCommand(): Command {
  return apiCommand('delete', 'Delete a listener, a pool, a backend or a certificate')
    .argument('<kind>', 'listeners, pools, backends or certificates')
    .argument('<name>', 'which; backends: POOL/ID')
    .action(async (kind: string, name: string, _options, command: Command) => {
      const { client, format } = apiContext(command);
      if (kind === 'backends') poolAndBackend(name);
      const { body } = await client.call<Written>({ method: 'DELETE', path: resourcePath(kind, name) });
      showDone(format, `revision ${body.revision}`, body);
    })
    .addHelpText('after', examples('delete backends api/b3', 'delete listeners web'));
}

function weightCommand(): Command {
  return apiCommand('weight', 'Set the weight of a backend on all nodes')
    .argument('<pool/backend>', 'which', poolAndBackend)
    .argument('<weight>', '0 (no new work) to 1000', numberBetween(0, WEIGHT_MAX))
    .addOption(waitOption())
    .action(async (target: string, weight: number, options: { wait: string }, command: Command) => {
      const { client, format } = apiContext(command);
      const path = `${resourcePath('backends', target)}?wait=${encodeURIComponent(options.wait)}`;
      const { body } = await client.call<Written>({ method: 'PATCH', path, body: { weight } });
      showDone(format, `revision ${body.revision}: ${target} weighs ${weight}`, body);
    })
    .addHelpText('after', examples('weight api/b1 50', 'weight api/b1 0   # no new requests to b1'));
}

/** Also used by drain: anything with a slash is a backend. */
export function poolAndBackend(text: string): string {
  if (!/^[^/]+\/[^/]+$/.test(text)) throw new InvalidArgumentError('must be POOL/BACKEND, e.g. api/b1');
  return text;
}

interface HistoryItem {
  readonly revision: number;
  /** Log time in ms since 1970. */
  readonly at: number;
  readonly author: string;
  readonly summary: string;
}

function historyCommand(): Command {
  return apiCommand('history', 'List the revisions of the configuration, or show one')
    .argument('[revision]', 'show this one whole', wholeNumber)
    .action(async (revision: number | undefined, _options, command: Command) => {
      const { client, format } = apiContext(command);
      if (revision !== undefined) {
        const body = await client.get<Record<string, unknown>>(`/v1/config/history/${revision}`);
        return show(format === 'table' ? stringify(body).trimEnd() : renderValue(format, body));
      }
      const value = await client.get<{ items: HistoryItem[] }>('/v1/config/history');
      const columns = [
        { title: 'revision', of: (row: HistoryItem) => row.revision },
        { title: 'at', of: (row: HistoryItem) => new Date(row.at).toISOString() },
        { title: 'who', of: (row: HistoryItem) => row.author },
        { title: 'what', of: (row: HistoryItem) => row.summary },
      ];
      return show(renderList(format, { value, rows: value.items, columns }));
    })
    .addHelpText('after', examples('history', 'history 42'));
}

function rollbackCommand(): Command {
  return apiCommand('rollback', 'Make an earlier revision of the configuration the current one again')
    .argument('<revision>', 'from `flotilla history`', wholeNumber)
    .action(async (revision: number, _options, command: Command) => {
      const { client, format } = apiContext(command);
      const { body } = await client.call<Written>({ method: 'POST', path: '/v1/config/rollback', body: { revision } });
      showDone(format, `revision ${body.revision} is as ${revision} was`, body);
    })
    .addHelpText('after', examples('rollback 42'));
}
