/**
 * The difference between two configurations as people read it: one line per value, `+` added, `-` removed, `~` changed.
 */
import colors from 'picocolors';

interface Change {
  readonly path: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

/** What the API answers to a dry run. */
export interface ConfigDiff {
  readonly changes: readonly Change[];
  readonly impact: Readonly<Record<string, readonly string[]>>;
}

/** '' where nothing differs. */
export function renderDiff(diff: ConfigDiff | undefined): string {
  if (diff === undefined || diff.changes.length === 0) return '';
  const impact = Object.entries(diff.impact)
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => colors.dim(`  ${words(what)}: ${names.join(', ')}`));
  return [...diff.changes.map(line), ...impact].join('\n');
}

const words = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

function line({ path, before, after }: Change): string {
  if (before === undefined || before === null) return colors.green(`+ ${path}: ${JSON.stringify(after)}`);
  if (after === undefined || after === null) return colors.red(`- ${path}: ${JSON.stringify(before)}`);
  return colors.yellow(`~ ${path}: ${JSON.stringify(before)} → ${JSON.stringify(after)}`);
}
