/**
 * `./scripts/with-node node test/fuzz/main.ts [--minutes N] [--seed N] [--case N]`: looks for messages that the proxy and a strict reference parser
 * read differently. Prints the seed first, what was tried at the end; exit code 1 where they disagree. `--case` tells one again.
 */
import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.ts';

const MINUTE_MS = 60_000;

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '1' }, seed: { type: 'string' }, case: { type: 'string' } },
});
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const seed = Number(values.case ?? values.seed ?? Date.now() % 1_000_000_000);
say(`seed ${seed}`);
// A fault of the proxy that would only be logged in a node is a finding here.
process.on('uncaughtException', (error) => {
  say(`fault: ${error.stack ?? error.message}`);
  process.exit(1);
});
const report = await fuzz({
  seed,
  milliseconds: Number(values.minutes) * MINUTE_MS,
  once: values.case !== undefined,
  progress: say,
});
for (const [name, { tried, forwarded, refused }] of report.coverage)
  if (tried > 0)
    say(
      `${name.padEnd(48)}${String(tried).padStart(8)} tried${String(forwarded).padStart(8)} forwarded${String(refused).padStart(8)} refused`,
    );
for (const { round, seed: caseSeed, mutations, text } of report.disagreements)
  say(
    `\n${round} case ${caseSeed} (${mutations.join(', ')}): ./scripts/with-node node test/fuzz/main.ts --case ${caseSeed}\n  ${text}`,
  );
say(`\n${report.cases} cases in ${report.seconds.toFixed(0)} s, ${report.disagreements.length} disagreements`);
process.exitCode = report.disagreements.length > 0 ? 1 : 0;
