/** The table of faults and their finders, as a page. */
import type { MutationOutcome } from './child.ts';
import type { Mutation } from './table.ts';

export interface MutationRow {
  readonly mutation: Mutation;
  readonly outcome: MutationOutcome;
  readonly seconds: number;
}

/** Faults are caught, harmless changes are not. */
export function isAsExpected({ mutation, outcome }: MutationRow): boolean {
  return (outcome.caughtBy === null) === (mutation.isHarmless === true);
}

export function tableOf(rows: readonly MutationRow[]): string {
  const faults = rows.filter(({ mutation }) => mutation.isHarmless !== true);
  const caught = faults.filter(isAsExpected).length;
  const lines = rows.map(({ mutation, outcome, seconds }) => {
    const by = outcome.caughtBy ?? (mutation.isHarmless ? 'nothing, rightly' : '**missed**');
    const files = [...new Set(mutation.changes.map(({ file }) => `\`${file}\``))].join(', ');
    return `| ${mutation.name} | ${files} | ${by} | ${outcome.seeds} of ${mutation.withinSeeds} | ${seconds.toFixed(1)} |`;
  });
  return `# Faults that the simulator finds

Each row is one fault put into \`packages/raft/src\`, or into \`packages/controlplane/src/state\`, by replacing a piece of source while
it is loaded; the product itself is not touched. Seeds are tried from 1 on until a checker speaks. All rows are of the same sources,
written by \`./scripts/with-node node packages/simulator/src/mutations/main.ts\`, which takes three minutes of two idle cores: ${caught} of ${faults.length} were caught. The
control breaks no rule, and must not be.

| fault | in | caught by | seeds needed | seconds |
|---|---|---|---|---|
${lines.join('\n')}
`;
}
