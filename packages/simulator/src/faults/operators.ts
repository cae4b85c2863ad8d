/**
 * What operators do: membership changes of every kind, transfers, snapshots, and the replacement of machines that were lost.
 */
import type { ConfStep } from '@flotilla/raft';
import type { Cluster } from '../cluster/cluster.ts';
import { admit } from '../workload/releases.ts';
import { callRaft } from './context.ts';
import type { Effect, FaultContext } from './context.ts';

const VOTERS_MAX_COUNT = 5;
const NO_CONTEXT = new Uint8Array(0);

/** Asks any node that runs. Its outcome is seen by what gets committed, if anything. */
function change({ cluster, dice }: FaultContext, steps: readonly ConfStep[]): boolean {
  const nodes = cluster.running();
  if (nodes.length === 0 || steps.length === 0) return false;
  const node = dice.pick(nodes);
  callRaft(cluster, node, async (raft) => {
    for (const { op, id } of steps) if (op !== 'remove' && !(await admit(cluster, raft, id))) return;
    await raft.changeMembership({ steps, context: NO_CONTEXT }, { timeoutMs: 2000 });
  });
  return true;
}

/** Members that will never come back: lost disks, machines given up. */
export function deadMembers(cluster: Cluster): string[] {
  const { voters, learners } = cluster.checks.committed.newestConf;
  return [...voters, ...learners].filter((id) => {
    const state = cluster.nodes.get(id)?.state;
    return state === 'retired' || state === 'damaged';
  });
}

/** Machines that run and belong to no membership. */
function strangers(cluster: Cluster): string[] {
  const { voters, learners, votersOutgoing } = cluster.checks.committed.newestConf;
  const members = new Set([...voters, ...learners, ...votersOutgoing]);
  return cluster
    .running()
    .map(({ replica }) => replica)
    .filter((id) => !members.has(id));
}

function pickOrAdd({ cluster, dice }: FaultContext): string {
  const known = strangers(cluster);
  return known.length > 0 && dice.chance(0.7) ? dice.pick(known) : cluster.addMachine().replica;
}

export const operatorActions = {
  transfer(context) {
    const { cluster, dice } = context;
    const leader = cluster.leader();
    if (leader === null) return false;
    const to = dice.chance(0.5) ? null : dice.pick(cluster.checks.committed.newestConf.voters);
    const { term } = leader.raft.status();
    callRaft(cluster, leader.node, async (raft) => {
      const successor = await raft.transferLeadership(to);
      const now = raft.status().term;
      if (successor !== leader.node.replica && now === term + 1) cluster.coverage.add('leadership transferred');
    });
    return true;
  },
  'add-learner'(context) {
    const { learners } = context.cluster.checks.committed.newestConf;
    if (learners.length >= 2) return false;
    return change(context, [{ op: 'add-learner', id: pickOrAdd(context) }]);
  },
  promote(context) {
    const { learners, voters } = context.cluster.checks.committed.newestConf;
    const dead = deadMembers(context.cluster);
    const alive = learners.filter((id) => !dead.includes(id));
    if (alive.length === 0 || voters.length >= VOTERS_MAX_COUNT) return false;
    return change(context, [{ op: 'add-voter', id: context.dice.pick(alive) }]);
  },
  remove(context) {
    const { learners, voters } = context.cluster.checks.committed.newestConf;
    const dead = deadMembers(context.cluster);
    const candidates = dead.length > 0 ? dead : [...learners, ...(voters.length > 3 ? voters : [])];
    if (candidates.length === 0) return false;
    return change(context, [{ op: 'remove', id: context.dice.pick(candidates) }]);
  },
  replace(context) {
    const { voters } = context.cluster.checks.committed.newestConf;
    const dead = deadMembers(context.cluster);
    const old = context.dice.pick(dead.length > 0 ? dead : voters);
    return change(context, [
      { op: 'remove', id: old },
      { op: 'add-voter', id: pickOrAdd(context) },
    ]);
  },
  'change-jointly'(context) {
    const { dice, cluster } = context;
    const { voters, learners } = cluster.checks.committed.newestConf;
    // Who reorganises a cluster with a dead member may leave it without a majority: the dead are replaced first.
    if (deadMembers(cluster).length > 0) return false;
    const steps: ConfStep[] = [];
    for (const id of learners) if (dice.chance(0.7)) steps.push({ op: 'add-voter', id });
    if (voters.length + steps.length < VOTERS_MAX_COUNT) steps.push({ op: 'add-voter', id: pickOrAdd(context) });
    // Demote some, remove others; three voters stay, so that one of them may be lost meanwhile.
    const spare = Math.min(2, voters.length + steps.length - 3);
    for (const id of dice.shuffle(voters).slice(0, Math.max(0, spare))) {
      steps.push({ op: dice.chance(0.5) ? 'add-learner' : 'remove', id });
    }
    return change(context, steps);
  },
  'take-snapshot'({ cluster, dice }) {
    const nodes = cluster.running();
    if (nodes.length === 0) return false;
    callRaft(cluster, dice.pick(nodes), (raft) => raft.saveSnapshot());
    return true;
  },
} satisfies Record<string, Effect>;
