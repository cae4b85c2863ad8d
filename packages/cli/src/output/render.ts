/**
 * How a result is shown: a table for people, JSON or YAML for programs. Colours only where a terminal shows them.
 */
import Table from 'cli-table3';
import colors from 'picocolors';
import { stringify } from 'yaml';

export type OutputFormat = 'table' | 'json' | 'yaml';
export const OUTPUT_FORMATS: readonly OutputFormat[] = ['table', 'json', 'yaml'];

export interface Column<T> {
  readonly title: string;
  readonly of: (row: T) => unknown;
  /** Left out where no row has anything to say. */
  readonly isOptional?: boolean;
}

/** A list: `value` is what programs get, `rows` and `columns` what people get. */
export function renderList<T>(
  format: OutputFormat,
  list: { readonly value: unknown; readonly rows: readonly T[]; readonly columns: readonly Column<T>[] },
): string {
  if (format !== 'table') return renderValue(format, list.value);
  if (list.rows.length === 0) return colors.dim('(none)');
  const columns = list.columns.filter(({ isOptional, of }) => !isOptional || list.rows.some((row) => of(row) !== null));
  const table = plainTable(columns.map((column) => column.title.toUpperCase()));
  for (const row of list.rows) table.push(columns.map((column) => cell(column.of(row))));
  return drawn(table);
}

/** One thing: name and value in two columns. */
export function renderRecord(
  format: OutputFormat,
  value: unknown,
  facts: readonly (readonly [string, unknown])[],
): string {
  if (format !== 'table') return renderValue(format, value);
  const table = plainTable();
  for (const [name, fact] of facts) table.push([colors.dim(name), cell(fact)]);
  return drawn(table);
}

/** Anything, for programs; a table of something without columns is its YAML. */
export function renderValue(format: OutputFormat, value: unknown): string {
  return format === 'json' ? JSON.stringify(value, null, 2) : stringify(value, { lineWidth: 0 }).trimEnd();
}

/** Without the blanks that fill the last column: they would be copied along. */
const drawn = (table: Table.Table): string =>
  table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');

function plainTable(head?: string[]): Table.Table {
  const none = '';
  return new Table({
    ...(head === undefined ? {} : { head: head.map((title) => colors.bold(title)) }),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
    chars: {
      top: none,
      'top-mid': none,
      'top-left': none,
      'top-right': none,
      bottom: none,
      'bottom-mid': none,
      'bottom-left': none,
      'bottom-right': none,
      left: none,
      'left-mid': none,
      mid: none,
      'mid-mid': none,
      right: none,
      'right-mid': none,
      middle: none,
    },
  });
}

/** Good and bad words are coloured wherever they stand, so that a table can be read from afar. */
function cell(value: unknown): string {
  if (value === null || value === undefined) return colors.dim('-');
  if (typeof value === 'boolean') return cell(value ? 'yes' : 'no');
  if (typeof value === 'object') return JSON.stringify(value);
  const text = String(value);
  if (['up', 'yes', 'leader', 'ready', 'enabled'].includes(text)) return colors.green(text);
  if (['down', 'no', 'none', 'ejected'].includes(text)) return colors.red(text);
  if (['unknown', 'draining', 'maintenance', 'candidate', 'learner'].includes(text)) return colors.yellow(text);
  return text;
}

/** Milliseconds as people read them. */
export function duration(ms: unknown): string {
  if (typeof ms !== 'number') return '-';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}
