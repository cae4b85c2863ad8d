/**
 * `flotilla members remove`: a node leaves the cluster for good, alive or dead.
 */
import type { Command } from 'commander';
import { apiCommand, apiContext, examples, remark, showDone } from './api-command.ts';

/** Below `members`, which lists them. */
export function registerMembers(program: Command): void {
  const members = program.commands.find((command) => command.name() === 'members');
  const remove = apiCommand('remove', 'Remove a node from the cluster for good, alive or dead')
    .argument('<node>', 'its id')
    .option('--force', 'even where the voters that are left would be no quorum')
    .action(async (node: string, options: { force?: boolean }, command: Command) => {
      const { client, format } = apiContext(command);
      const path = `/v1/members/${encodeURIComponent(node)}`;
      const { body } = await client.call({ method: 'DELETE', path: options.force ? `${path}?force=true` : path });
      showDone(format, `${node} is no member any more`, body);
      remark(
        `Stop it and move its data directory away. To come back, or to be replaced under its name, a node starts with an\n` +
          `empty data directory and FLOTILLA_JOIN=<API address of a member>.`,
      );
    })
    .addHelpText('after', examples('drain n3 --wait && ./flotilla members remove n3', 'members remove n3 --force'));
  // Options after `remove` are its own, not those of the list.
  members?.enablePositionalOptions().addCommand(remove);
}
