/**
 * Faults one upon the other: a seed decides which, on whom, for how long; up to so many stand at once, none on a node that
 * another one has in hand. Says what it did, so that a run that exercised too little is seen.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterNode } from '../harness/cluster.ts';
import { FAULTS } from './faults.ts';
import type { Fault, Stage } from './faults.ts';

const STATUS_TIMEOUT_MS = 400;
const BETWEEN_MS: readonly [number, number] = [200, 1_200];

export interface ScheduleOptions {
  readonly untilMs: number;
  readonly atOnce: number;
  readonly faults?: readonly Fault[];
  readonly say?: (text: string) => void;
}

/** Who leads as far as a short look can tell. */
export async function presentLeader({ faulty }: Stage): Promise<ClusterNode | null> {
  const looks = faulty.cluster.nodes.map(async (node) => {
    const { body } = await node.call('GET', '/v1/status', { timeoutMs: STATUS_TIMEOUT_MS });
    return body.role === 'leader' ? { node, term: body.term as number } : null;
  });
  const found = (await Promise.allSettled(looks)).flatMap((look) => (look.status === 'fulfilled' ? look.value : null));
  const leaders = found.filter((look) => look !== null).toSorted((a, b) => b.term - a.term);
  return leaders[0]?.node ?? null;
}

export async function targetOf(stage: Stage, fault: Fault): Promise<ClusterNode> {
  const { nodes } = stage.faulty.cluster;
  const leader = await presentLeader(stage);
  if (fault.on === 'leader' && leader !== null) return leader;
  return stage.random.pick(fault.on === 'follower' ? nodes.filter((node) => node !== leader) : nodes);
}

/** Begins, lets it stand, undoes it. */
export async function endure(stage: Stage, fault: Fault, node: ClusterNode): Promise<void> {
  const undo = await fault.begin(stage, node);
  await sleep(stage.random.integer(...fault.lastsMs));
  await undo();
}

/** How often each fault was done. Rejects when a fault could not be undone. */
export async function runCombined(stage: Stage, options: ScheduleOptions): Promise<ReadonlyMap<string, number>> {
  const { untilMs, atOnce, say = () => undefined } = options;
  const faults = (options.faults ?? FAULTS).filter(
    (fault) => fault.alone !== true && (fault.possible?.(stage) ?? true),
  );
  const busy = new Set<string>();
  const active = new Set<Promise<void>>();
  const counts = new Map<string, number>();
  let failure: Error | null = null;
  while (performance.now() < untilMs && failure === null) {
    if (active.size < atOnce) {
      const fault = stage.random.pick(faults);
      const node = await targetOf(stage, fault);
      const held = fault.name === 'backend killed' ? 'backends' : node.id;
      if (!busy.has(held)) {
        busy.add(held);
        counts.set(fault.name, (counts.get(fault.name) ?? 0) + 1);
        say(`${fault.name}: ${held}`);
        const task: Promise<void> = endure(stage, fault, node)
          .catch((error: unknown) => {
            failure = new Error(`${fault.name} on ${held}: ${(error as Error).message}`, { cause: error });
          })
          .finally(() => {
            busy.delete(held);
            active.delete(task);
          });
        active.add(task);
      }
    }
    await sleep(stage.random.integer(...BETWEEN_MS));
  }
  await Promise.all(active);
  if (failure !== null) throw failure as Error;
  return counts;
}
