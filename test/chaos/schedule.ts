/**
 * Faults one upon the other: a seed decides which, on whom, for how long; up to so many stand at once, none on a node that
 * another one has in hand. Says what it did, so that a run that exercised too little is seen.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiCall } from '../harness/api.ts';
import type { SeededRandom } from '../harness/random.ts';

const STATUS_TIMEOUT_MS = 400;
const BETWEEN_MS: readonly [number, number] = [200, 1_200];

/** Whom faults are done to: a process or a container. */
export interface Target {
  readonly id: string;
  readonly call: ApiCall;
}

export interface FaultOn<S, N extends Target> {
  readonly name: string;
  /** How long it stands before it is undone. */
  readonly lastsMs: readonly [number, number];
  /** False where this machine cannot. */
  readonly possible?: (stage: S) => boolean;
  /** Answers how to undo it. */
  readonly begin: (stage: S, node: N) => Promise<() => Promise<void> | void>;
  /** It has more than one node in hand: never combined with others. */
  readonly alone?: boolean;
  /** `leader`: the node that leads; `any`: any; `follower`: any that does not lead. */
  readonly on: 'leader' | 'follower' | 'any';
}

interface Chance {
  readonly random: SeededRandom;
}

export interface ScheduleOptions<S, N extends Target> {
  readonly untilMs: number;
  readonly atOnce: number;
  readonly nodes: readonly N[];
  readonly faults: readonly FaultOn<S, N>[];
  readonly say?: (text: string) => void;
}

/** Who leads as far as a short look can tell. */
async function presentLeader<N extends Target>(nodes: readonly N[]): Promise<N | null> {
  const looks = nodes.map(async (node) => {
    const { body } = await node.call('GET', '/v1/status', { timeoutMs: STATUS_TIMEOUT_MS });
    return body.role === 'leader' ? { node, term: body.term as number } : null;
  });
  const found = (await Promise.allSettled(looks)).flatMap((look) => (look.status === 'fulfilled' ? look.value : null));
  const leaders = found.filter((look) => look !== null).toSorted((a, b) => b.term - a.term);
  return leaders[0]?.node ?? null;
}

export async function targetOf<S, N extends Target>(
  nodes: readonly N[],
  random: SeededRandom,
  { on }: FaultOn<S, N>,
): Promise<N> {
  const leader = await presentLeader(nodes);
  if (on === 'leader' && leader !== null) return leader;
  return random.pick(on === 'follower' ? nodes.filter((node) => node !== leader) : nodes);
}

/** Begins, lets it stand, undoes it. */
export async function endure<S extends Chance, N extends Target>(
  stage: S,
  fault: FaultOn<S, N>,
  node: N,
): Promise<void> {
  const undo = await fault.begin(stage, node);
  await sleep(stage.random.integer(...fault.lastsMs));
  await undo();
}

/** How often each fault was done. Rejects when a fault could not be undone. */
export async function runCombined<S extends Chance, N extends Target>(
  stage: S,
  options: ScheduleOptions<S, N>,
): Promise<ReadonlyMap<string, number>> {
  const { untilMs, atOnce, nodes, say = () => undefined } = options;
  const faults = options.faults.filter((fault) => fault.alone !== true && (fault.possible?.(stage) ?? true));
  const busy = new Set<string>();
  const active = new Set<Promise<void>>();
  const counts = new Map<string, number>();
  let failure: Error | null = null;
  while (performance.now() < untilMs && failure === null) {
    if (active.size < atOnce) {
      const fault = stage.random.pick(faults);
      const node = await targetOf(nodes, stage.random, fault);
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
