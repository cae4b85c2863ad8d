/**
 * What nodes and operators do about releases: every node announces what it speaks, the leader raises the cluster's feature
 * level once all do, and who joins is announced before it is taken in. The same order as in production.
 */
import { clusterLevel, encodeCommand, featureLevel, raisableLevel } from '@flotilla/controlplane/state';
import type { Command, CommandResult } from '@flotilla/controlplane/state';
import type { ConfState, RaftNode } from '@flotilla/raft';
import type { Cluster } from '../cluster/cluster.ts';
import type { SimNode } from '../cluster/sim-node.ts';
import { encodeControl } from '../cluster/twin-machine.ts';
import { callRaft } from '../faults/context.ts';

const ANNOUNCE_EVERY_MS = 250;
const TIMEOUT_MS = 1000;
const EARLY_RATIO = 0.1;

function nameOf(replica: string): string {
  return replica.slice(0, replica.indexOf('#'));
}

function announcement({ replica, featureLevel }: SimNode): Command {
  const id = nameOf(replica);
  return { v: 1, type: 'member.announce', id, replica, raft: `${id}:1`, api: `${id}:2`, version: '1', featureLevel };
}

async function propose(raft: RaftNode, command: Command): Promise<CommandResult> {
  const { result } = await raft.propose(encodeControl(encodeCommand(command)), { timeoutMs: TIMEOUT_MS });
  return result as CommandResult;
}

/** Asks for a newcomer. False where the cluster will not have its release. */
export async function admit(cluster: Cluster, raft: RaftNode, replica: string): Promise<boolean> {
  const node = cluster.nodes.get(replica);
  if (node === undefined) return false;
  const { ok } = await propose(raft, announcement(node));
  if (!ok) cluster.coverage.add('older release not taken in');
  return ok;
}

function membersOf(conf: ConfState): string[] {
  return [...new Set([...conf.voters, ...conf.votersOutgoing, ...conf.learners])];
}

export function keepAnnouncing(cluster: Cluster): void {
  announce(cluster);
  raise(cluster);
  cluster.world.after(ANNOUNCE_EVERY_MS, () => keepAnnouncing(cluster));
}

/** Every member that is not known as what it is says so itself. */
function announce(cluster: Cluster): void {
  for (const node of cluster.running()) {
    const { process, raft, replica } = node;
    const row = process?.machine.state.members.get(nameOf(replica));
    const isKnown = row?.replica === replica && row.featureLevel === node.featureLevel;
    if (raft === null || isKnown || !membersOf(raft.status().conf).includes(replica)) continue;
    callRaft(cluster, node, (own) => propose(own, announcement(node)));
  }
}

/** The leader's duty. Machines that are gone for good do not hold the others back. */
function raise(cluster: Cluster): void {
  const leader = cluster.leader();
  const state = leader?.node.process?.machine.state;
  if (leader === null || state === undefined) return;
  for (const [id, row] of state.members.entries()) {
    const machine = cluster.nodes.get(row.replica)?.state;
    if (machine !== 'retired' && machine !== 'damaged') continue;
    callRaft(cluster, leader.node, (raft) => propose(raft, { v: 1, type: 'member.remove', id }));
  }
  const members = membersOf(leader.raft.status().conf);
  const isKnown = members.every((replica) => state.members.get(nameOf(replica))?.replica === replica);
  // Now and then a leader that cannot wait: the state itself must refuse what comes before its time.
  const early = isKnown && cluster.random.chance(EARLY_RATIO) ? featureLevel : null;
  const level = raisableLevel(state, members) ?? early;
  if (level === null || level <= clusterLevel(state)) return;
  callRaft(cluster, leader.node, async (raft) => {
    const { ok } = await propose(raft, { v: 1, type: 'features.raise', level });
    if (ok) cluster.coverage.add('feature level raised');
  });
}
