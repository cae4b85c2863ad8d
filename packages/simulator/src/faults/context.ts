/** What a fault is given, and what it answers. */
import type { Cluster } from '../cluster/cluster.ts';
import type { SimNode } from '../cluster/sim-node.ts';
import type { SimRandom } from '../engine/random.ts';

export interface FaultContext {
  readonly cluster: Cluster;
  readonly dice: SimRandom;
  readonly durationMs: number;
}

/** Answers whether it did anything. */
export type Effect = (context: FaultContext) => boolean;

export function pickRunning({ cluster, dice }: FaultContext): SimNode | null {
  const nodes = cluster.running();
  return nodes.length === 0 ? null : dice.pick(nodes);
}
