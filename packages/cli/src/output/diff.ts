/**
 * The difference between two configurations as people read it: one line per value, `+` added, `-` removed, `~` changed.
 */
import colors from 'picocolors';

/** More names than this say no more; each has its line above. */
const NAMED_COUNT = 8;

interface Change {
  readonly path: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

/** A share of a pool's keys, 0–1. */
interface KeysMoved {
  readonly pool: string;
  readonly ratio: number;
}

/** What the API answers to a dry run. */
export interface ConfigDiff {
  readonly changes: readonly Change[];
  readonly impact: Readonly<Record<string, readonly (string | KeysMoved)[]>>;
}

/** '' where nothing differs. */
export function renderDiff(diff: ConfigDiff | undefined): string {
  if (diff === undefined || diff.changes.length === 0) return '';
  const impact = Object.entries(diff.impact)
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => colors.dim(`  ${words(what)}: ${listed(names.map(touched))}`));
  return [...diff.changes.map(line), ...impact].join('\n');
}

function listed(names: readonly string[]): string {
  const rest = names.length - NAMED_COUNT;
  return rest <= 1 ? names.join(', ') : `${names.slice(0, NAMED_COUNT).join(', ')} and ${rest} more`;
}

/** `api 33.3 %` for a share of keys. */
function touched(one: string | KeysMoved): string {
  return typeof one === 'string' ? one : `${one.pool} ${Math.round(one.ratio * 1_000) / 10} %`;
}

const words = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

function line({ path, before, after }: Change): string {
  if (before === undefined || before === null) return colors.green(`+ ${path}: ${JSON.stringify(after)}`);
  if (after === undefined || after === null) return colors.red(`- ${path}: ${JSON.stringify(before)}`);
  return colors.yellow(`~ ${path}: ${JSON.stringify(before)} → ${JSON.stringify(after)}`);
}
