/**
 * Faults of the network. A partition lasts for its time; the next one replaces it.
 */
import type { Cluster } from '../cluster/cluster.ts';
import type { Effect, FaultContext } from './context.ts';

function until(cluster: Cluster, durationMs: number): void {
  cluster.world.after(durationMs, () => {
    cluster.trace.line('fault', 'network', 'heals');
    cluster.network.heal();
  });
}

/** Cuts every path for which `isCut` says so. */
function partition({ cluster, durationMs }: FaultContext, isCut: (from: string, to: string) => boolean): boolean {
  const all = cluster.replicas;
  let cuts = 0;
  for (const from of all) {
    for (const to of all) {
      if (from === to || !isCut(from, to)) continue;
      cluster.network.block(from, to);
      cuts += 1;
    }
  }
  until(cluster, durationMs);
  return cuts > 0;
}

export const networkFaults = {
  'partition-halves'(context) {
    const left = new Set(context.cluster.replicas.filter(() => context.dice.chance(0.5)));
    return partition(context, (from, to) => left.has(from) !== left.has(to));
  },
  'partition-isolate'(context) {
    const { cluster, dice } = context;
    // Half the time the leader: that is where it hurts.
    const alone = (dice.chance(0.5) ? cluster.leader()?.node.replica : undefined) ?? dice.pick(cluster.replicas);
    return partition(context, (from, to) => from === alone || to === alone);
  },
  'partition-one-way'(context) {
    const { cluster, dice } = context;
    const victim = dice.pick(cluster.replicas);
    const inwards = dice.chance(0.5);
    return partition(context, (from, to) => (inwards ? to : from) === victim && dice.chance(0.8));
  },
  'partition-ring'(context) {
    // Everybody sees a majority, and no two the same one.
    const ring = context.dice.shuffle(context.cluster.replicas);
    const reach = Math.floor(ring.length / 4) + 1;
    return partition(context, (from, to) => {
      const distance = Math.abs(ring.indexOf(from) - ring.indexOf(to));
      return Math.min(distance, ring.length - distance) > reach;
    });
  },
  /** The leader goes on alone (or with one companion) with a tail that nobody else gets; when it is back, its successor dies. */
  diverge(context) {
    const { cluster, dice } = context;
    const leader = cluster.leader()?.node ?? null;
    if (leader === null || cluster.replicas.length < 3) return false;
    const side = new Set([leader.replica, dice.chance(0.5) ? dice.pick(cluster.replicas) : leader.replica]);
    const durationMs = Math.max(1500, Math.min(context.durationMs, 4000));
    partition({ ...context, durationMs }, (from, to) => side.has(from) !== side.has(to));
    cluster.clients.burst(leader, 1 + dice.integer(30), 10);
    cluster.world.after(durationMs + dice.between(0, 300), () => {
      const successor = cluster.leader()?.node;
      if (successor !== undefined && !cluster.healing && dice.chance(0.6))
        cluster.crash(successor, dice.between(50, 2000));
    });
    return true;
  },
  clog({ cluster, dice, durationMs }) {
    const all = cluster.replicas;
    if (all.length < 2) return false;
    const [from, to] = dice.shuffle(all) as [string, string];
    cluster.network.clog(from, to, cluster.world.nowMs + durationMs);
    return true;
  },
  'reset-link'({ cluster, dice }) {
    const all = cluster.replicas;
    if (all.length < 2) return false;
    const [from, to] = dice.shuffle(all) as [string, string];
    return cluster.network.reset(from, to);
  },
  'break-snapshot'({ cluster, dice }) {
    cluster.streams.breakNext(1 + dice.integer(dice.chance(0.5) ? 3 : 100));
    return true;
  },
} satisfies Record<string, Effect>;
