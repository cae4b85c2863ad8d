/**
 * What each fault does to the cluster. A fault that finds nobody to meet does nothing and is not counted.
 */
import { featureLevel } from '@flotilla/controlplane/state';
import { SimRandom } from '../engine/random.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { SimNode } from '../cluster/sim-node.ts';
import { pickRunning } from './context.ts';
import type { Effect, FaultContext } from './context.ts';
import type { Fault, FaultKind } from './kinds.ts';
import { ambushes } from './ambush.ts';
import { diskFaults } from './disks.ts';
import { networkFaults } from './networks.ts';
import { operatorActions } from './operators.ts';

/** How long a node is away for its upgrade. */
const UPGRADE_MAX_MS = 1500;

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

/** `onStopped`: before it is started again. */
function stopCleanly({ cluster, durationMs }: FaultContext, node: SimNode, onStopped: () => void): boolean {
  const { process, raft } = node;
  if (process === null || raft === null) return false;
  process.loop.io(() => {
    raft.close().then(
      () => {
        if (node.process !== process) return;
        onStopped();
        cluster.crash(node, durationMs);
      },
      (error: unknown) => cluster.bug(node.replica, error),
    );
  });
  return true;
}

/** A rolling upgrade: the next one when the one before has been back for a while, in whatever state the cluster is. */
function upgradeInTurn(context: FaultContext, node: SimNode): void {
  const { cluster, dice } = context;
  const durationMs = Math.min(context.durationMs, UPGRADE_MAX_MS);
  stopCleanly({ ...context, durationMs }, node, () => {
    node.featureLevel = featureLevel;
    cluster.coverage.add('node upgraded');
  });
  cluster.world.after(2 * durationMs + dice.between(0, 500), () => {
    const old = cluster.running().filter((other) => other.featureLevel < featureLevel);
    if (old.length > 0 && !cluster.healing) upgradeInTurn(context, dice.pick(old));
  });
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
    if (node === null) return false;
    // Now and then its disk fails while it stops.
    if (context.dice.chance(0.2)) node.disk.nextError = 'input/output error';
    return stopCleanly(context, node, () => undefined);
  },
  upgrade(context) {
    const old = context.cluster.running().filter((node) => node.featureLevel < featureLevel);
    const node = old.length === 0 ? null : context.dice.pick(old);
    if (node === null) return false;
    upgradeInTurn(context, node);
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
