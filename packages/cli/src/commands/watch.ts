/**
 * `flotilla watch`: every change as it happens. A connection that breaks is made again, to another server where need be, and
 * goes on after the last change that was printed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import colors from 'picocolors';
import { ApiError, UnreachableError } from '../client/api-client.ts';
import type { ApiClient } from '../client/api-client.ts';
import { RETRY_PAUSE_MS } from '../limits.ts';
import { eventText } from '../output/events.ts';
import { apiCommand, apiContext, examples, remark, showStep, wholeNumber } from './api-command.ts';

const TOO_OLD = 410;
const UNAVAILABLE = 503;

interface Options {
  readonly from?: string;
  readonly sessions?: boolean;
}

interface Told {
  readonly event: string;
  readonly data: string;
  readonly id: string;
}

export function registerWatch(program: Command): void {
  program.addCommand(
    apiCommand('watch', 'Print every change as it happens, until Ctrl-C')
      .option('--from <revision>', 'start after this revision', (text) => String(wholeNumber(text)))
      .option('--sessions', 'pinned sessions too')
      .action(async (options: Options, command: Command) => {
        const { client, format, retryForMs } = apiContext(command);
        const stop = new AbortController();
        process.once('SIGINT', () => stop.abort());
        const tell = (event: Told): void => showStep(format, lineOf(event), dataOf(event));
        await follow({ client, retryForMs, signal: stop.signal, tell }, options);
      })
      .addHelpText('after', examples('watch', 'watch --from 42 --output json')),
  );
}

interface Following {
  readonly client: ApiClient;
  /** How long nobody may answer before it gives up. */
  readonly retryForMs: number;
  readonly signal: AbortSignal;
  readonly tell: (event: Told) => void;
}

async function follow({ client, retryForMs, signal, tell }: Following, options: Options): Promise<void> {
  let { from } = options;
  let heardMs = performance.now();
  while (!signal.aborted) {
    try {
      for await (const event of client.events(watchPath(from, options.sessions), signal)) {
        heardMs = performance.now();
        if (event.id !== '') from = event.id;
        tell(event);
      }
      if (!signal.aborted) remark(colors.dim('the connection ended; another server goes on from here'));
      heardMs = performance.now();
    } catch (error) {
      if (error instanceof ApiError && error.status === TOO_OLD && options.from !== from) {
        remark(colors.yellow('changes were missed: they are no longer remembered; going on from now'));
        from = undefined;
      } else if (!mayPass(error) || performance.now() - heardMs > retryForMs) throw error;
    }
    await sleep(RETRY_PAUSE_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** Nobody answers, or who does has not found its cluster yet. */
const mayPass = (error: unknown): boolean =>
  error instanceof UnreachableError || (error instanceof ApiError && error.status === UNAVAILABLE);

const lineOf = ({ event, data, id }: Told): string => {
  const text = eventText(event, JSON.parse(data) as Record<string, unknown>);
  return `${colors.dim(id.padStart(8))}  ${colors.bold(event.padEnd(8))} ${text}`;
};

const dataOf = ({ event, data, id }: Told): object => ({ event, data: JSON.parse(data) as unknown, id });

function watchPath(from: string | undefined, sessions: boolean | undefined): string {
  const query = new URLSearchParams();
  if (from !== undefined) query.set('from', from);
  if (sessions) query.set('sessions', 'true');
  return `/v1/watch?${query}`;
}
