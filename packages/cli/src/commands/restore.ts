/**
 * `flotilla restore`: makes the data directory of a new cluster out of a backup. The node that starts with it is a cluster of one
 * with the whole state of the backup; nothing of the old cluster's log or membership survives, on purpose. The others join it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { EXIT, errorText } from '@flotilla/shared';
import { restoreInto } from '@flotilla/node';
import { CliError } from '../cli-error.ts';
import { examples, show } from './api-command.ts';

type Backup = Parameters<typeof restoreInto>[1];

const BACKUP_VERSION: Backup['version'] = 2;

export function registerRestore(program: Command): void {
  program.addCommand(
    new Command('restore')
      .description('Make the data directory of a new cluster from a backup')
      .argument('<file>', 'what `flotilla backup` saved')
      .requiredOption('--data <dir>', 'data directory to make; must be empty or missing')
      .action(restore)
      .addHelpText(
        'after',
        examples('restore backup.json --data /var/lib/flotilla', 'node --node-id n1 --data-dir /var/lib/flotilla'),
      ),
  );
}

async function restore(file: string, options: { data: string }): Promise<void> {
  const backup = readBackup(file);
  const data = resolve(options.data);
  if (existsSync(data) && readdirSync(data).length > 0) {
    throw new CliError(EXIT.configuration, `${data} is not empty: a cluster is restored into a new directory`);
  }
  if (backup.keysLeftOut > 0) {
    throw new CliError(
      EXIT.configuration,
      `${file} has certificates without their keys: take the backup with --secrets`,
    );
  }
  try {
    await restoreInto(data, backup);
  } catch (error) {
    throw new CliError(EXIT.configuration, `${file} cannot be restored: ${errorText(error)}`);
  }
  show(`${data} holds revision ${backup.revision} of the backup.`);
  show(`Start the first node of the new cluster: ./flotilla node --node-id n1 --data-dir ${data}`);
  show('The others join it, on empty data directories: FLOTILLA_JOIN=<API of that node> instead of FLOTILLA_PEERS.');
}

function readBackup(file: string): Backup {
  let backup: Partial<Backup>;
  try {
    backup = JSON.parse(readFileSync(file, 'utf8')) as Partial<Backup>;
  } catch (error) {
    throw new CliError(EXIT.usage, `${file} cannot be read as a backup: ${errorText(error)}`);
  }
  if (backup.kind !== 'flotilla-backup') {
    throw new CliError(EXIT.usage, `${file} is not a backup of Flotilla`);
  }
  if (backup.version !== BACKUP_VERSION) {
    throw new CliError(EXIT.usage, `${file} has version ${backup.version}, this flotilla reads ${BACKUP_VERSION}`);
  }
  return backup as Backup;
}
