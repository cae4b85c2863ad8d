/**
 * The difference between two configurations as people read it: one line per value, `+` added, `-` removed, `~` changed.
 */
import colors from 'picocolors';

interface Change {
  readonly path: string;
  readonly op?: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

/** '' where nothing differs. */
export function renderDiff(diff: unknown): string {
  if (!Array.isArray(diff)) return diff === undefined || diff === null ? '' : JSON.stringify(diff, null, 2);
  return (diff as Change[]).map(line).join('\n');
}

function line({ path, before, after }: Change): string {
  if (before === undefined || before === null) return colors.green(`+ ${path}: ${JSON.stringify(after)}`);
  if (after === undefined || after === null) return colors.red(`- ${path}: ${JSON.stringify(before)}`);
  return colors.yellow(`~ ${path}: ${JSON.stringify(before)} → ${JSON.stringify(after)}`);
}
