/**
 * `flotilla recover`: the explicit way out when a majority of disks is lost for good. It works on files of a stopped node and
 * asks no cluster, because there is none that could answer.
 */
import { resolve } from 'node:path';
import { Command } from 'commander';
import colors from 'picocolors';
import { EXIT, errorText } from '@flotilla/shared';
import { recoverDataDir } from '@flotilla/node';
import { CliError } from '../cli-error.ts';
import { examples, remark, show } from './api-command.ts';

const WARNING = `This makes a NEW cluster of ONE member out of this directory.
  - Only for the case that a majority of disks is lost for good. A majority that is merely down or cut off is not lost:
    start it again instead. If it comes back later, there are two clusters with two truths.
  - What only the lost disks held is lost. Choose the directory of the node that had the most (flotilla status: appliedIndex).
  - Every other node of the former cluster must be stopped, its data directory moved away, and must join anew.`;

export function registerRecover(program: Command): void {
  program.addCommand(
    new Command('recover')
      .description(
        'Last resort after a majority of disks is lost: make a new cluster of one from a surviving directory',
      )
      .requiredOption('--data <dir>', 'data directory of the survivor; its node must be stopped')
      .option('--yes-i-lost-the-quorum', 'confirms that a majority of disks will never come back')
      .action(recover)
      .addHelpText('after', `\n${WARNING}\n${examples('recover --data /var/lib/flotilla --yes-i-lost-the-quorum')}`),
  );
}

async function recover(options: { data: string; yesILostTheQuorum?: boolean }): Promise<void> {
  const data = resolve(options.data);
  if (options.yesILostTheQuorum !== true) {
    throw new CliError(
      EXIT.usage,
      `nothing was changed. ${WARNING}\nIf that is what you want: --yes-i-lost-the-quorum`,
    );
  }
  const done = await recoverDataDir(data).catch((error: unknown) => {
    throw new CliError(EXIT.disk, `nothing was changed: ${errorText(error)}`);
  });
  show(`${done.nodeId} is a cluster of its own now: ${done.clusterId} (was ${done.formerClusterId})`);
  show(`configuration revision ${done.revision}, log index ${done.index}; former store: ${done.formerStore}`);
  if (done.uncommittedCount > 0)
    show(`${done.uncommittedCount} entries that were not known to be committed are kept and count as committed`);
  remark(colors.yellow(nextSteps(done.nodeId, done.removed)));
}

function nextSteps(nodeId: string, removed: readonly string[]): string {
  const others = removed.length === 0 ? 'every other node' : removed.join(', ');
  return `Next: 1. start ${nodeId} with its settings as before.
      2. ${others}: stop it, move its data directory away, start it with FLOTILLA_JOIN=<API of ${nodeId}> instead of FLOTILLA_PEERS.
      3. ./flotilla status: all members alive, voter yes.`;
}
