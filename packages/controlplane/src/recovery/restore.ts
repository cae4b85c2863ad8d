/**
 * A new cluster out of a backup: `flotilla restore` checks the file and leaves the state in an empty data directory; the first
 * node that starts there founds a cluster of one with it, under a new cluster id and a new incarnation. Configuration,
 * history, pins, verdicts and the audit trail are those of the backup; members and drains are not: the others join.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clusterIdBytes, incarnationBytes } from '../limits.ts';
import { type Backup, captureState, checkState, ClusterStateMachine, restoreBackup } from '../state/index.ts';
import { strikeOff, writeStore } from './recover.ts';

const RESTORED_FILE = 'restored-state';
const EMPTY_CONF = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

/** Writes the state of a backup into a data directory without a node. Throws where the file cannot be trusted. */
export function restoreInto(dataDir: string, backup: Backup): void {
  const records = backup.pins.map((text) => Buffer.from(text, 'base64'));
  const state = restoreBackup(backup, records);
  const faults = checkState(state);
  if (faults.length > 0) throw new Error(faults[0]);
  const { digest, sizeBytes, slices } = captureState(state);
  const parts: Uint8Array[] = [Buffer.from(`${JSON.stringify({ index: state.meta.index, digest, sizeBytes })}\n`)];
  for (const slice of slices) parts.push(Uint8Array.from(slice));
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  writeFileSync(join(dataDir, RESTORED_FILE), Buffer.concat(parts), { mode: 0o600, flush: true });
}

/** Where a restored state waits in the directory: makes the store of a cluster of one out of it. Safe to break off. */
export async function foundFromRestored(dataDir: string, nodeId: string): Promise<boolean> {
  const file = join(dataDir, RESTORED_FILE);
  if (!existsSync(file)) return false;
  const store = join(dataDir, 'raft');
  if (!existsSync(store)) {
    const machine = await readState(file);
    const { index } = machine.state.meta;
    const removed = [...machine.state.members.keys()].sort();
    const last = strikeOff(machine, { removed, term: 1, index, author: 'flotilla restore' });
    const replica = `${nodeId}#${randomBytes(incarnationBytes).toString('hex')}`;
    const clusterId = randomBytes(clusterIdBytes).toString('hex');
    const fresh = join(dataDir, 'raft.restoring');
    rmSync(fresh, { recursive: true, force: true });
    await writeStore(fresh, { clusterId, replica, term: 1, index: last }, machine);
    renameSync(fresh, store);
  }
  // May hold secrets, and has served: what is newer is in the store.
  rmSync(file);
  return true;
}

async function readState(file: string): Promise<ClusterStateMachine> {
  const bytes = readFileSync(file);
  const end = bytes.indexOf(0x0a);
  const { index, digest, sizeBytes } = JSON.parse(bytes.toString('utf8', 0, end)) as {
    index: number;
    digest: string;
    sizeBytes: number;
  };
  const machine = new ClusterStateMachine();
  async function* body(): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(end + 1);
    await Promise.resolve();
  }
  await machine.restore({ index, term: 1, conf: EMPTY_CONF, digest, sizeBytes }, body());
  return machine;
}
