/**
 * `flotilla explain`: where a request would go and why, as the cluster itself decides it.
 */
import type { Command } from 'commander';
import { EXIT } from '@flotilla/shared';
import { CliError } from '../cli-error.ts';
import { renderList, renderValue } from '../output/render.ts';
import { apiCommand, apiContext, examples, show } from './api-command.ts';

interface Options {
  readonly listener: string;
  readonly method: string;
  readonly clientIp?: string;
  readonly header: string[];
}

interface Candidate {
  readonly backend: string;
  readonly verdict: string;
  readonly state: string;
  readonly weight: number;
  readonly shareRatio: number;
  readonly reason: string;
}

interface Explanation {
  readonly revision: number;
  /** -1: no route matches. */
  readonly route: number;
  readonly match: Readonly<Record<string, unknown>> | null;
  readonly action: { readonly type: string } | null;
  readonly pools: readonly {
    readonly pool: string;
    readonly splitRatio: number;
    readonly candidates: readonly Candidate[];
    readonly choice: string | null;
    readonly pin: string | null;
    readonly why: string;
  }[];
}

export function registerExplain(program: Command): void {
  program.addCommand(
    apiCommand('explain', 'Say where a request would go and why')
      .argument('<url>', 'e.g. http://example.com/api, or a path: /api')
      .option('--listener <name>', 'as if it came in here', 'web')
      .option('--method <method>', 'request method', 'GET')
      .option('--client-ip <ip>', 'as if from this address')
      .option('--header <name:value...>', 'request fields', [])
      .action(async (url: string, options: Options, command: Command) => {
        const { client, format } = apiContext(command);
        const { host, path } = targetOf(url);
        const query = new URLSearchParams({ listener: options.listener, method: options.method, path });
        if (host !== '') query.set('host', host);
        if (options.clientIp !== undefined) query.set('clientIp', options.clientIp);
        for (const header of options.header) query.append('header', header);
        const explanation = await client.get<Explanation>(`/v1/explain?${query}`);
        show(format === 'table' ? picture(options.listener, explanation) : renderValue(format, explanation));
      })
      .addHelpText(
        'after',
        examples(
          'explain http://example.com/api',
          'explain /login --client-ip 10.0.0.9 --header x-user:alice',
          'explain /login --output json',
        ),
      ),
  );
}

/** A path alone names no host. */
function targetOf(text: string): { readonly host: string; readonly path: string } {
  const isPath = text.startsWith('/');
  const url = URL.parse(isPath ? `http://any${text}` : text.includes('://') ? text : `http://${text}`);
  if (url === null) throw new CliError(EXIT.usage, `"${text}" is not a URL or a path: http://example.com/api or /api`);
  return { host: isPath ? '' : url.host, path: url.pathname + url.search };
}

function picture(listener: string, { route, match, action, pools }: Explanation): string {
  if (route < 0) return `no route of listener ${listener} matches: the answer is 404`;
  const conditions = Object.entries(match ?? {}).filter(([, value]) => !isEmpty(value));
  const matched = conditions.map(([name, value]) => `${name} ${JSON.stringify(value)}`).join(', ');
  const lines = [`route ${route} of listener ${listener} (${matched === '' ? 'matches everything' : matched})`];
  if (action !== null && action.type !== 'pool') lines.push(`→ ${JSON.stringify(action)}`);
  for (const { pool, splitRatio, candidates, choice, pin, why } of pools) {
    const share = splitRatio === 1 ? '' : ` for ${percent(splitRatio)} of requests`;
    const pinned = pin === null ? '' : `; the session is pinned to ${pin}`;
    lines.push(`→ pool ${pool}${share}: ${choice === null ? '' : `backend ${choice}, `}${why}${pinned}`, '');
    lines.push(renderList('table', { value: null, rows: candidates, columns: COLUMNS }));
  }
  return lines.join('\n');
}

const COLUMNS = [
  { title: 'backend', of: (row: Candidate) => row.backend },
  { title: 'verdict', of: (row: Candidate) => row.verdict },
  { title: 'state', of: (row: Candidate) => row.state },
  { title: 'weight', of: (row: Candidate) => row.weight },
  { title: 'share', of: (row: Candidate) => percent(row.shareRatio) },
  { title: 'not chosen because', of: (row: Candidate) => row.reason || null, isOptional: true },
];

const percent = (ratio: number): string => `${Math.round(ratio * 1_000) / 10} %`;

const isEmpty = (value: unknown): boolean =>
  value === null || (typeof value === 'object' && Object.keys(value as object).length === 0);
