/**
 * Commands that show the cluster: status, members, leader, health, sessions, digest, audit.
 */
import type { Command } from 'commander';
import colors from 'picocolors';
import { duration, renderList, renderRecord } from '../output/render.ts';
import type { Column } from '../output/render.ts';
import { apiCommand, apiContext, examples, numberBetween, show } from './api-command.ts';

interface Items {
  readonly items: readonly Record<string, unknown>[];
}

type Row = Record<string, unknown>;

const column = (title: string, of: (row: Row) => unknown): Column<Row> => ({ title, of });
const field = (title: string, name = title): Column<Row> => column(title, (row) => row[name]);

const MEMBER_COLUMNS = [
  field('id'),
  field('role'),
  field('voter'),
  field('alive'),
  field('ready'),
  field('api'),
  field('raft'),
  field('match', 'matchIndex'),
  column('heard', (row) => (typeof row.lagMs === 'number' ? `${duration(row.lagMs)} ago` : null)),
  column('drain', (row) => phaseOf(row.drain)),
  field('version'),
  {
    title: 'not ready because',
    of: (row: Row) => (row.reasons as string[] | undefined)?.join('; ') || null,
    isOptional: true,
  },
];

const HEALTH_COLUMNS = [
  field('pool'),
  field('backend'),
  field('verdict'),
  column('since', (row) => new Date(row.since as number | string).toISOString()),
  field('reason'),
  { title: 'here', of: (row: Row) => (row.avoidedHere === true ? 'avoided: no quorum' : null), isOptional: true },
  column('observers', (row) =>
    (row.observers as { node: string; ok: boolean }[]).map(({ node, ok }) => `${node} ${ok ? '✓' : '✗'}`).join('  '),
  ),
];

/** What was changed, where the summary does not name it. */
function whatOf({ target, summary }: Row): string {
  const [to, what] = [String(target ?? ''), String(summary ?? '')];
  return what === '' || to === '' || what.includes(to) ? what || to : `${to}: ${what}`;
}

const phaseOf = (drain: unknown): unknown =>
  typeof drain === 'object' && drain !== null ? (drain as { phase?: unknown }).phase : drain;

export function registerCluster(program: Command): void {
  program.addCommand(statusCommand());
  program.addCommand(
    apiCommand('leader', 'Show which node leads')
      .action(async (_options, command: Command) => {
        const { client, format } = apiContext(command);
        const leader = await client.get<Row>('/v1/leader');
        show(renderRecord(format, leader, Object.entries(leader)));
      })
      .addHelpText('after', examples('leader', 'leader --output json | jq -r .id')),
  );
  const list = (name: string, description: string, path: string, columns: readonly Column<Row>[]): void => {
    program.addCommand(
      apiCommand(name, description)
        .option('--local', 'what the answering node itself knows, without asking the others')
        .action(async (options: { local?: boolean }, command: Command) => {
          const { client, format } = apiContext(command);
          const value = await client.get<Items>(options.local ? `${path}?consistency=local` : path);
          show(renderList(format, { value, rows: value.items, columns }));
        })
        .addHelpText('after', examples(name, `${name} --output json`)),
    );
  };
  list('members', 'List the nodes of the cluster', '/v1/members', MEMBER_COLUMNS);
  list('health', 'Show the verdict on each backend and what each node saw', '/v1/health', HEALTH_COLUMNS);
  list('audit', 'List who changed what and when', '/v1/audit', [
    field('index'),
    column('at', (row) => new Date(row.timeMs as number).toISOString()),
    column('who', (row) => row.author || null),
    column('from', (row) => row.source || null),
    field('action'),
    column('what', (row) => whatOf(row)),
    field('revision'),
  ]);
  program.addCommand(sessionsCommand());
}

function statusCommand(): Command {
  return apiCommand('status', 'Show one node and the cluster as it sees it')
    .action(async (_options, command: Command) => {
      const { client, format } = apiContext(command);
      const status = await client.get<Row>('/v1/status');
      const members = await client.get<Items>('/v1/members?consistency=local');
      if (format !== 'table') return show(renderRecord(format, { ...status, members: members.items }, []));
      const node = status.node as Row;
      const leader = status.leader as Row | null;
      show(
        renderRecord(format, status, [
          ['node', `${node.id} (${node.version}, up ${duration(status.uptimeMs)})`],
          ['role', status.role],
          ['ready', status.ready === true ? true : `no: ${(status.reasons as string[]).join('; ')}`],
          ['leader', leader === null ? 'none' : `${leader.id} at ${leader.api}`],
          ['term', status.term],
          ['quorum', status.quorum],
          ['revision', status.revision],
          ['applied', `${status.appliedIndex} of ${status.commitIndex}`],
          ['stale', duration(status.staleMs)],
          ['digest', status.digest],
        ]),
      );
      for (const warning of (status.warnings ?? []) as string[]) show(colors.yellow(`warning: ${warning}`));
      return show(`\n${renderList(format, { value: members, rows: members.items, columns: MEMBER_COLUMNS })}`);
    })
    .addHelpText('after', examples('status', 'status --server 127.0.0.1:7402', 'status --output json | jq .digest'));
}

/** Of one page: what the API takes. */
const SESSIONS_MAX = 10_000;

function sessionsCommand(): Command {
  return apiCommand('sessions', 'List pinned sessions')
    .option('--pool <name>', 'of this pool only')
    .option('--limit <n>', 'at most this many', numberBetween(1, SESSIONS_MAX), 100)
    .option('--cursor <cursor>', 'go on after an earlier list')
    .action(async (options: { pool?: string; limit: number; cursor?: string }, command: Command) => {
      const { client, format } = apiContext(command);
      const query = new URLSearchParams({ limit: String(options.limit) });
      if (options.pool !== undefined) query.set('pool', options.pool);
      if (options.cursor !== undefined) query.set('cursor', options.cursor);
      const value = await client.get<Items>(`/v1/sessions?${query}`);
      const columns = [field('pool'), field('key'), field('backend'), field('expires', 'expiresAt'), field('revision')];
      show(renderList(format, { value, rows: value.items, columns }));
    })
    .addHelpText('after', examples('sessions --pool api', 'sessions --pool api --limit 1000 --output json'));
}
