/** What a fault is given, what it answers, and how it speaks to a node. */
import { RaftError } from '@flotilla/raft';
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

/** In the node's own process; what raft refuses is no matter, anything else is a bug. */
export function callRaft(
  cluster: Cluster,
  node: SimNode,
  run: (raft: NonNullable<SimNode['raft']>) => Promise<unknown>,
): void {
  const { process, raft } = node;
  if (process === null || raft === null) return;
  process.loop.io(() => {
    run(raft).catch((error: unknown) => {
      if (!(error instanceof RaftError)) cluster.bug(node.replica, error);
    });
  });
}
