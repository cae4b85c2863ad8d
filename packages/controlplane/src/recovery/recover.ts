/**
 * Quorum-loss recovery: turns the data directory of one survivor into a cluster of one, under a new cluster id and a new
 * incarnation. An operator's last resort, never done by a node itself.
 *
 * Everything on this disk is kept, also what was not known to be committed: what was acknowledged to a client may be among
 * it, and nobody is left to ask. What only the lost disks held is lost. The former store stays beside the new one. The other
 * nodes of the former cluster are strangers to the new one (its id differs): they must be wiped and join.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EntryKind, LevelStorage, type Recovered, RaftError, type SnapshotMeta } from '@flotilla/raft';
import { clusterIdBytes, incarnationBytes, recoveryBatchCount } from '../limits.ts';
import { ClusterStateMachine, encodeCommand } from '../state/index.ts';
import { nameOf } from '../cluster/host.ts';

export interface Recovery {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly formerClusterId: string;
  readonly replica: string;
  /** Last index that the new cluster starts from. */
  readonly index: number;
  readonly revision: number;
  /** Entries on this disk that were not known to be committed; kept. */
  readonly uncommittedCount: number;
  /** Members that were struck off. */
  readonly removed: readonly string[];
  /** Where the former store was put. */
  readonly formerStore: string;
}

const STORE = 'raft';
/** Becomes the store when it is whole. */
const FRESH_STORE = 'raft.recovering';
const FORMER_STORE = 'raft.before-recovery-';

/**
 * Ends a recovery that broke off after the former store was put aside: the new one was whole by then. To be called before the
 * store is looked for, since a node without one is a new node. True where there was something to do.
 */
export function finishRecovery(dataDir: string): boolean {
  const [store, fresh] = [join(dataDir, STORE), join(dataDir, FRESH_STORE)];
  if (existsSync(store) || !existsSync(fresh)) return false;
  if (!readdirSync(dataDir).some((name) => name.startsWith(FORMER_STORE))) return false;
  renameSync(fresh, store);
  return true;
}

/** The node must not be running. Changes nothing where it throws. */
export async function recoverDataDir(dataDir: string): Promise<Recovery> {
  const store = join(dataDir, STORE);
  finishRecovery(dataDir);
  if (!existsSync(store)) throw new RaftError('DAMAGED', `${dataDir} holds no store of a node`);
  const former = new LevelStorage({ directory: store });
  const machine = new ClusterStateMachine();
  let recovered: Recovered;
  try {
    recovered = await former.open();
    await replay(former, recovered, machine);
  } finally {
    await former.close();
  }
  const { identity, hard, entries, snapshot } = recovered;
  if (identity === null) throw new RaftError('DAMAGED', `${dataDir} belongs to no cluster yet: just start the node`);
  const nodeId = nameOf(identity.replica);
  const end = entries.at(-1) ?? snapshot;
  const removed = [...machine.state.members.keys()].filter((id) => id !== nodeId).sort();
  const term = Math.max(hard.term, end?.term ?? 0) + 1;
  const index = strikeOff(machine, { removed, term, index: end?.index ?? 0, author: 'flotilla recover' });
  const replica = `${nodeId}#${randomBytes(incarnationBytes).toString('hex')}`;
  const clusterId = randomBytes(clusterIdBytes).toString('hex');
  const fresh = join(dataDir, FRESH_STORE);
  rmSync(fresh, { recursive: true, force: true });
  await writeStore(fresh, { clusterId, replica, term, index }, machine);
  const formerStore = join(dataDir, `${FORMER_STORE}${Date.now()}`);
  renameSync(store, formerStore);
  renameSync(fresh, store);
  const uncommittedCount = Math.max(0, (end?.index ?? 0) - hard.commit);
  const { revision } = machine.state.meta;
  const formerClusterId = identity.clusterId;
  return { nodeId, clusterId, formerClusterId, replica, index, revision, uncommittedCount, removed, formerStore };
}

async function replay(store: LevelStorage, recovered: Recovered, machine: ClusterStateMachine): Promise<void> {
  const { faults, snapshot, entries, firstIndex } = recovered;
  if (faults.length > 0) throw new RaftError('DAMAGED', `the store is damaged: ${faults.join('; ')}`);
  if (snapshot !== null) await machine.restore(snapshot, store.readSnapshot(snapshot));
  const count = entries.length;
  for (let at = Math.max(0, (snapshot?.index ?? 0) + 1 - firstIndex); at < count; at += recoveryBatchCount) {
    machine.apply(entries.slice(at, Math.min(at + recoveryBatchCount, count)));
  }
}

/** The other members leave the list, so that nobody waits for them. Answers the last index. */
export function strikeOff(
  machine: ClusterStateMachine,
  {
    removed,
    term,
    index,
    author,
  }: { readonly removed: readonly string[]; readonly term: number; readonly index: number; readonly author: string },
): number {
  const stampMs = Date.now();
  machine.apply(
    removed.map((id, at) => ({
      index: index + 1 + at,
      term,
      kind: EntryKind.normal,
      stampMs,
      origin: '',
      seq: 0,
      data: encodeCommand({ v: 1, type: 'member.remove', id, author }),
    })),
  );
  return index + removed.length;
}

/** A store that holds the state of the machine and one voter. */
export async function writeStore(
  directory: string,
  own: { readonly clusterId: string; readonly replica: string; readonly term: number; readonly index: number },
  machine: ClusterStateMachine,
): Promise<void> {
  const { clusterId, replica, term, index } = own;
  const conf = { voters: [replica], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
  const captured = machine.capture();
  const chunks: Uint8Array[] = [];
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of captured.chunks) {
    const copy = Uint8Array.from(chunk);
    hash.update(copy);
    chunks.push(copy);
    sizeBytes += copy.length;
  }
  const checksum = hash.digest('hex');
  const meta: SnapshotMeta = { index, term, conf, digest: captured.digest, sizeBytes, checksum };
  const store = new LevelStorage({ directory });
  try {
    await store.open();
    await store.initialise({ clusterId, replica, format: 1, createdMs: Date.now() }, conf);
    const sink = await store.receiveSnapshot(meta);
    for (const chunk of chunks) await sink.write(chunk);
    await sink.finish();
    const hard = { term, vote: null, commit: index };
    await store.persist({ hard, truncateFrom: null, append: [], installSnapshot: meta });
  } finally {
    await store.close();
  }
}
