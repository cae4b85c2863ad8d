/**
 * Faults of disks. What makes a disk forget is dosed: the cluster is never made to lose more than its memberships can bear,
 * for then anything may happen and nothing would be proven.
 */
import type { Cluster } from '../cluster/cluster.ts';
import type { SimNode } from '../cluster/sim-node.ts';
import { pickRunning } from './context.ts';
import type { Effect, FaultContext } from './context.ts';

const SETTLE_MS = 5000;

/** A machine whose disk may be lost: what was committed stays on a quorum of the others. */
function pickExpendable({ cluster, dice }: FaultContext): SimNode | null {
  const { newestConf, confs } = cluster.checks.committed;
  const recent = [newestConf, confs.at(-2)?.conf ?? newestConf];
  const safe = recent.every((conf) => {
    const members = [...conf.voters, ...conf.votersOutgoing, ...conf.learners];
    const lost = members.filter((id) => cluster.checks.image(id).lost || cluster.nodes.get(id)?.state === 'retired');
    return conf.votersOutgoing.length === 0 && conf.voters.length >= 3 && lost.length === 0;
  });
  // A change under way may still make a voter of the one that was lost last.
  const settled = cluster.world.nowMs - cluster.lastLossMs > SETTLE_MS;
  const nodes = cluster.running();
  return safe && settled && nodes.length > 0 ? dice.pick(nodes) : null;
}

function rot(context: FaultContext, letter: string): boolean {
  const node = pickExpendable(context);
  if (node === null || !node.disk.rot(letter, context.dice)) return false;
  // It is found at the latest when the store is read again.
  context.cluster.loseDisk(node);
  context.cluster.crash(node, 50);
  return true;
}

function recoverLater(cluster: Cluster, node: SimNode, afterMs: number): void {
  cluster.world.after(afterMs, () => {
    node.disk.freeBytes = 2 ** 40;
  });
}

export const diskFaults = {
  'disk-stall'(context) {
    const node = pickRunning(context);
    if (node === null) return false;
    node.disk.stalledUntilMs = context.cluster.world.nowMs + context.durationMs;
    return true;
  },
  'disk-error'(context) {
    const node = pickRunning(context);
    if (node === null) return false;
    node.disk.nextError = 'input/output error';
    return true;
  },
  'disk-full'(context) {
    const node = pickRunning(context);
    if (node === null) return false;
    // Below the watermark, or so full that writes fail.
    node.disk.freeBytes = context.dice.chance(0.8) ? 1_000_000 : 1000;
    recoverLater(context.cluster, node, context.durationMs);
    return true;
  },
  'rot-log': (context) => rot(context, 'L'),
  'rot-hard-state': (context) => rot(context, 'H'),
  'rot-snapshot': (context) => rot(context, 'C'),
  'wipe-disk'(context) {
    const node = pickExpendable(context);
    if (node === null) return false;
    // Under its former identity it would promise what it no longer knows; the operator brings a new one in its place.
    context.cluster.loseDisk(node);
    context.cluster.retire(node);
    return true;
  },
  'old-backup'(context) {
    const node = pickExpendable(context);
    if (node === null) return false;
    const { cluster } = context;
    const backup = node.disk.backup();
    const { batch } = cluster.checks.image(node.replica).hard;
    cluster.world.after(context.durationMs, () => {
      const now = node.disk.witness;
      // The file beside the store is what tells: only a backup from before it was last written can be told by it.
      if (
        cluster.healing ||
        node.process === null ||
        now === null ||
        now.batch <= batch ||
        pickExpendable(context) === null
      )
        return;
      cluster.restoreBackup(node, backup);
    });
    return true;
  },
} satisfies Record<string, Effect>;
