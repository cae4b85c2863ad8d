/**
 * A small file beside the database that says whose it is and how far it once was. LevelDB drops damaged records silently,
 * at worst all of them; a store that has fewer batches than its witness has lost some.
 *
 * Written when the store is made, at each snapshot and at close: a lower bound, not a second log.
 */
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { ReplicaId } from '../core/types.ts';
import { RaftError } from '../driver/errors.ts';

export interface Witness {
  readonly clusterId: string;
  readonly replica: ReplicaId;
  /** Number of the last batch that was durable when this was written. */
  readonly batch: number;
}

const FILE = 'identity.json';

export async function readWitness(directory: string): Promise<Witness | null> {
  let text: string;
  try {
    text = await readFile(join(directory, FILE), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new RaftError('DISK', `cannot read ${FILE}: ${String(error)}`, { cause: error });
  }
  try {
    const value = JSON.parse(text) as Partial<Witness>;
    const { clusterId, replica, batch } = value;
    if (typeof clusterId === 'string' && typeof replica === 'string' && typeof batch === 'number') {
      return { clusterId, replica, batch };
    }
  } catch (error) {
    throw new RaftError('DAMAGED', `${FILE} is damaged`, { cause: error });
  }
  throw new RaftError('DAMAGED', `${FILE} is damaged`);
}

/** Replaces the file atomically and durably. */
export async function writeWitness(directory: string, witness: Witness): Promise<void> {
  const temporary = join(directory, `${FILE}.new`);
  const file = await open(temporary, 'w');
  try {
    await file.writeFile(`${JSON.stringify(witness)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, join(directory, FILE));
  await syncDirectory(directory);
}

export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
