/**
 * What all commands that talk with a cluster share: their options, the client, the way results are shown.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { EXIT, errorText } from '@flotilla/shared';
import { CliError } from '../cli-error.ts';
import { ApiClient } from '../client/api-client.ts';
import { DEFAULT_SERVERS, parseServers } from '../client/servers.ts';
import { RETRY_FOR_DEFAULT_MS } from '../limits.ts';
import { OUTPUT_FORMATS, renderValue } from '../output/render.ts';
import type { OutputFormat } from '../output/render.ts';

interface ApiOptions {
  readonly server: URL[];
  readonly token?: string;
  readonly ca?: string;
  readonly output: OutputFormat;
  readonly retryFor: number;
}

export interface ApiContext {
  readonly client: ApiClient;
  /** Of one node alone, by the address that the cluster knows of its API. */
  readonly clientOf: (api: string) => ApiClient;
  readonly servers: readonly URL[];
  readonly format: OutputFormat;
  /** How long to go on asking while nobody answers. */
  readonly retryForMs: number;
}

/** A subcommand with --server, --token, --ca, --output and --retry-for. */
export function apiCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .addOption(
      new Option('-s, --server <list>', 'API addresses, tried in turn')
        .env('FLOTILLA_SERVER')
        .default(parseServers(DEFAULT_SERVERS), DEFAULT_SERVERS)
        .argParser(serversOrUsage),
    )
    .addOption(new Option('-t, --token <token>', 'API token').env('FLOTILLA_TOKEN'))
    .addOption(new Option('--ca <file>', 'PEM of the CA to trust for https').env('FLOTILLA_CA'))
    .addOption(new Option('-o, --output <format>', 'how results are shown').choices(OUTPUT_FORMATS).default('table'))
    .addOption(
      new Option('--retry-for <ms>', 'how long to wait for a leader or a server')
        .default(RETRY_FOR_DEFAULT_MS)
        .argParser(wholeNumber),
    );
}

/** The client and the format that the options of this invocation ask for. */
export function apiContext(command: Command): ApiContext {
  const options = command.opts<ApiOptions>();
  const { server: servers, token = null, retryFor: retryForMs } = options;
  // Not by an argument parser: commander repeats what it refuses, and this is a secret.
  if (token !== null && !/^[\x21-\x7e]*$/.test(token))
    throw new CliError(
      EXIT.usage,
      'the token (--token, FLOTILLA_TOKEN) has a blank, a line break or a letter that no token has',
    );
  const ca = options.ca === undefined ? null : readCa(options.ca);
  const client = new ApiClient({ servers, token, ca, retryForMs });
  const scheme = servers[0]?.protocol ?? 'http:';
  const clientOf = (api: string): ApiClient =>
    new ApiClient({ servers: parseServers(`${scheme}//${api}`), token, ca, retryForMs: 0 });
  return { client, clientOf, servers, format: options.output, retryForMs };
}

function readCa(file: string): string {
  try {
    const text = readFileSync(file, 'utf8');
    // What holds no certificate would trust nobody, without a word.
    void new X509Certificate(text);
    return text;
  } catch (error) {
    throw new CliError(EXIT.usage, `the CA of ${file} cannot be used: ${errorText(error)}`);
  }
}

export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('must be a whole number');
  return Number(text);
}

/** How far a change must have come before the command ends. */
export function waitOption(): Option {
  return new Option('--wait <what>', 'commit, applied (this node serves it) or all (every node does)')
    .choices(['commit', 'applied', 'all'])
    .default('all');
}

/** Parses a whole number of a range. */
export function numberBetween(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = wholeNumber(text);
    if (value < min || value > max) throw new InvalidArgumentError(`must be from ${min} to ${max}`);
    return value;
  };
}

function serversOrUsage(text: string): URL[] {
  try {
    return parseServers(text);
  } catch (error) {
    throw new InvalidArgumentError(errorText(error));
  }
}

/** Writes one result to standard output. */
export function show(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Writes what a change came to: a sentence for people, the answer of the API for programs. */
export function showDone(format: OutputFormat, sentence: string, value: unknown): void {
  show(format === 'table' ? sentence : renderValue(format, value));
}

/** One of several steps of a command: a line for people; a line of JSON, or a document of YAML, for programs. */
export function showStep(format: OutputFormat, sentence: string, value: unknown): void {
  if (format === 'table') show(sentence);
  else show(format === 'json' ? JSON.stringify(value) : `---\n${renderValue(format, value)}`);
}

/** Writes a remark that is not part of the result to standard error. */
export function remark(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Examples at the end of `--help`. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ./flotilla ${line}`).join('\n')}\n`;
}
