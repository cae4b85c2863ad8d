/** The table of faults and their finders, as a page. */
import type { MutationOutcome } from './child.ts';
import type { Mutation } from './table.ts';

export interface MutationRow {
  readonly mutation: Mutation;
  readonly outcome: MutationOutcome;
  readonly seconds: number;
}

export function tableOf(rows: readonly MutationRow[]): string {
  const caught = rows.filter(({ outcome }) => outcome.caughtBy !== null).length;
  const lines = rows.map(({ mutation, outcome, seconds }) => {
    const by = outcome.caughtBy ?? '**missed**';
    return `| ${mutation.name} | \`${mutation.file}\` | ${by} | ${outcome.seeds} of ${mutation.withinSeeds} | ${seconds.toFixed(1)} |`;
  });
  return `# Faults that the simulator finds

Each row is one fault put into \`packages/raft/src\` by replacing a piece of source while it is loaded; the product itself is
not touched. Seeds are tried from 1 on until a checker speaks. Written by
\`node packages/simulator/src/mutations/main.ts\`; ${caught} of ${rows.length} were caught.

| fault | in | caught by | seeds needed | seconds |
|---|---|---|---|---|
${lines.join('\n')}
`;
}
