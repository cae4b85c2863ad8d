/** The table of the chaos report, in Markdown, so that it can be kept as it is printed. */
import type { Sums } from './account.ts';

export interface Row {
  readonly name: string;
  readonly times: number;
  readonly sums: Sums;
}

const COLUMNS: readonly (readonly [string, (row: Row) => string])[] = [
  ['fault', ({ name }) => name],
  ['times', ({ times }) => String(times)],
  ['requests sent', ({ sums }) => String(sums.sent)],
  ['failed', ({ sums }) => String(sums.failed)],
  ['wrong', ({ sums }) => String(sums.wrong)],
  ['ended with their process', ({ sums }) => String(sums.withProcess)],
  ['writes acknowledged', ({ sums }) => String(sums.acknowledged)],
  ['lost', ({ sums }) => String(sums.lost)],
  ['session requests', ({ sums }) => String(sums.sessionRequests)],
  ['strayed', ({ sums }) => String(sums.strayed)],
  ['ms without leader, each time', ({ sums, times }) => String(Math.round(sums.leaderlessMs / Math.max(1, times)))],
  ['digests compared', ({ sums }) => String(sums.compared)],
  ['divergences', ({ sums }) => String(sums.divergences)],
];

export function tableOf(rows: readonly Row[], total: Sums): string {
  const times = rows.reduce((sum, row) => sum + row.times, 0);
  const all = [...rows, { name: '**total**', times, sums: total }];
  const cells = [COLUMNS.map(([title]) => title), ...all.map((row) => COLUMNS.map(([, text]) => text(row)))];
  const widths = COLUMNS.map((_, at) => Math.max(...cells.map((line) => line[at]?.length ?? 0)));
  const lines = cells.map((line) => `| ${line.map((cell, at) => pad(cell, widths[at] ?? 0, at)).join(' | ')} |`);
  const rule = `|${widths.map((width, at) => (at === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [lines[0], rule, ...lines.slice(1)].join('\n');
}

const pad = (text: string, width: number, column: number): string =>
  column === 0 ? text.padEnd(width) : text.padStart(width);
