/**
 * What each fault does to the cluster. A fault that finds nobody to meet does nothing and is not counted.
 */
import { SimRandom } from '../engine/random.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { pickRunning } from './context.ts';
import type { Effect, FaultContext } from './context.ts';
import type { Fault, FaultKind } from './kinds.ts';
import { ambushes } from './ambush.ts';
import { diskFaults } from './disks.ts';
import { networkFaults } from './networks.ts';
import { operatorActions } from './operators.ts';

function pause(context: FaultContext, frozen: boolean): boolean {
  const node = pickRunning(context);
  const process = node?.process ?? null;
  if (node === null || process === null || process.loop.paused) return false;
  const { cluster, durationMs } = context;
  cluster.trace.line('pause', node.replica, `${durationMs}`);
  process.loop.pause(frozen);
  cluster.world.after(durationMs, () => {
    cluster.trace.line('resume', node.replica, '');
    process.loop.resume();
  });
  return true;
}

const processFaults = {
  crash(context) {
    const node = pickRunning(context);
    if (node !== null) context.cluster.crash(node, context.durationMs);
    return node !== null;
  },
  'crash-all'({ cluster, dice, durationMs }) {
    const nodes = cluster.running();
    for (const node of nodes) cluster.crash(node, durationMs * dice.fraction());
    return nodes.length > 0;
  },
  pause: (context) => pause(context, false),
  freeze: (context) => pause(context, true),
  'stop-cleanly'(context) {
    const node = pickRunning(context);
    const process = node?.process ?? null;
    const raft = node?.raft ?? null;
    if (node === null || process === null || raft === null) return false;
    const { cluster, durationMs } = context;
    process.loop.io(() => {
      raft.close().then(
        () => {
          if (node.process === process) cluster.crash(node, durationMs);
        },
        (error: unknown) => cluster.bug(node.replica, error),
      );
    });
    return true;
  },
  'wall-clock-step'(context) {
    const process = pickRunning(context)?.process ?? null;
    if (process === null) return false;
    process.loop.wallOffsetMs += Math.round(context.dice.between(-5000, 5000));
    return true;
  },
  burst(context) {
    const node = pickRunning(context);
    if (node === null) return false;
    context.cluster.clients.burst(node, 20 + context.dice.integer(200), context.dice.pick([10, 100, 2000]));
    return true;
  },
} satisfies Partial<Record<FaultKind, Effect>>;

const EFFECTS: Record<FaultKind, Effect> = {
  ...processFaults,
  ...networkFaults,
  ...diskFaults,
  ...operatorActions,
  ...ambushes,
};

export function applyFault(cluster: Cluster, fault: Fault): void {
  const dice = new SimRandom(`fault ${fault.dice}`);
  const done = EFFECTS[fault.kind]({ cluster, dice, durationMs: fault.durationMs });
  cluster.trace.line('fault', fault.kind, done ? `${fault.durationMs}` : 'met nobody');
  if (done) cluster.coverage.add(`fault: ${fault.kind}`);
}
