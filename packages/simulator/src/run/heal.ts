/**
 * The liveness phase: no more faults, everybody up, what is lost replaced. Within a time the cluster must elect, serve a
 * write and a read through every member, and be of one mind.
 */
import { RaftError } from '@flotilla/raft';
import type { ConfStep, RaftNode } from '@flotilla/raft';
import type { Cluster } from '../cluster/cluster.ts';
import { encodeLedger } from '../cluster/ledger.ts';
import type { SimNode } from '../cluster/sim-node.ts';
import { deadMembers } from '../faults/operators.ts';

/** More than any stall, pause and backoff that may still be under way, several times over. */
const CONVERGE_WITHIN_MS = 60_000;
/** However much progress is made. */
export const HEAL_MAX_MS = 600_000;
const CLIENTS_END_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 200;
const SERVE_TRIES_COUNT = 10;

export async function healAndConverge(cluster: Cluster): Promise<void> {
  const { world, violations, clients } = cluster;
  clients.stop();
  cluster.healing = true;
  cluster.network.calm();
  keepHealing(cluster);
  let untilMs = world.nowMs + CONVERGE_WITHIN_MS;
  let reached = 0;
  await world.runUntil(world.nowMs + CLIENTS_END_WITHIN_MS, () => clients.pending === 0);
  if (world.stopped !== null) return;
  violations.demand(clients.pending === 0, 'liveness', () => 'a client never got an answer');
  let state: Progress = { ok: false, text: 'nothing' };
  while (world.stopped === null && world.nowMs < untilMs && !state.ok) {
    await world.runUntil(world.nowMs + LOOK_EVERY_MS);
    state = lookAt(cluster);
    // A long backlog over a narrow window takes its time: only standing still is a failure.
    const { highest } = cluster.checks.committed;
    if (highest > reached) untilMs = Math.min(world.nowMs + CONVERGE_WITHIN_MS, cluster.plan.timeMs + HEAL_MAX_MS);
    reached = highest;
  }
  if (world.stopped !== null) return;
  violations.demand(state.ok, 'liveness', () => `not of one mind after ${CONVERGE_WITHIN_MS} ms: ${state.text}`);
  if (world.stopped === null) await serve(cluster);
}

function endFaults(cluster: Cluster): void {
  cluster.network.heal();
  for (const { process, disk } of cluster.machines) {
    process?.loop.resume();
    disk.stalledUntilMs = Math.min(disk.stalledUntilMs, cluster.world.nowMs);
    disk.freeBytes = 2 ** 40;
    disk.nextError = null;
  }
}

/** Restarts who is down and has the dead replaced, until the run ends. */
function keepHealing(cluster: Cluster): void {
  const { world } = cluster;
  endFaults(cluster);
  for (const node of cluster.machines) cluster.restart(node);
  const leader = cluster.leader();
  const dead = deadMembers(cluster);
  const { votersOutgoing } = cluster.checks.committed.newestConf;
  const [first] = dead;
  if (leader !== null && first !== undefined && votersOutgoing.length === 0) {
    const steps: ConfStep[] = [{ op: 'remove', id: first }];
    leader.node.process?.loop.io(() => {
      leader.raft
        .changeMembership({ steps, context: new Uint8Array(0) }, { timeoutMs: 2000 })
        .catch((error: unknown) => cluster.trace.line('fault', 'replace', String(error)));
    });
  }
  world.after(1000, () => keepHealing(cluster));
}

interface Progress {
  readonly ok: boolean;
  readonly text: string;
}

function members(cluster: Cluster): SimNode[] {
  const { voters, learners } = cluster.checks.committed.newestConf;
  return [...voters, ...learners].flatMap((id) => cluster.nodes.get(id) ?? []);
}

/** Everybody who counts runs, follows one leader and has applied all of its log. */
function lookAt(cluster: Cluster): Progress {
  const leader = cluster.leader();
  if (leader === null) return { ok: false, text: 'no leader' };
  const { votersOutgoing } = cluster.checks.committed.newestConf;
  if (votersOutgoing.length > 0) return { ok: false, text: 'the membership is joint' };
  const { lastIndex, term } = leader.raft.status();
  for (const node of members(cluster)) {
    const status = node.raft?.status();
    if (status === undefined) return { ok: false, text: `${node.replica} is ${node.state}` };
    if (status.disk.full) return { ok: false, text: `${node.replica} still takes its disk for full` };
    if (status.term !== term) return { ok: false, text: `${node.replica} is in term ${status.term}, not ${term}` };
    if (status.applied !== lastIndex) {
      return { ok: false, text: `${node.replica} applied ${status.applied} of ${lastIndex}` };
    }
  }
  return { ok: true, text: '' };
}

/** An entry that reached this member inside a snapshot has an unknown outcome even in good times; the session makes a retry safe. */
async function writeAndRead(raft: RaftNode, command: Uint8Array): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await raft.propose(command, { timeoutMs: 8000 });
      break;
    } catch (error) {
      if (tries === SERVE_TRIES_COUNT || !(error instanceof RaftError) || error.code !== 'UNKNOWN_OUTCOME') throw error;
    }
  }
  await raft.readIndex({ timeoutMs: 8000 });
}

/** A write and a read through every member, and digests that are equal. */
async function serve(cluster: Cluster): Promise<void> {
  const { world, violations } = cluster;
  const all = members(cluster);
  const done = new Set<string>();
  const failures: string[] = [];
  all.forEach((node, number) => {
    const { process, raft } = node;
    if (process === null || raft === null) return;
    const command = encodeLedger({ client: 1_000_000 + number, seq: 1, op: 'add', key: 'end', value: 1 });
    process.loop.io(() => {
      writeAndRead(raft, command).then(
        () => void done.add(node.replica),
        (error: unknown) => void failures.push(`${node.replica}: ${String(error)}`),
      );
    });
  });
  await world.runUntil(world.nowMs + 10_000, () => done.size + failures.length === all.length);
  if (world.stopped !== null) return;
  violations.demand(done.size === all.length, 'liveness', () => `a healed cluster does not serve: ${failures.join()}`);
  const settled = (): boolean => new Set(all.map(({ process }) => process?.ledger.index)).size === 1;
  for (let rounds = 0; rounds < 50 && world.stopped === null && !settled(); rounds += 1) {
    await world.runUntil(world.nowMs + LOOK_EVERY_MS);
  }
  if (world.stopped !== null) return;
  violations.demand(settled(), 'liveness', () => 'members stop at different indexes');
  const digests = new Set(all.map(({ process }) => process?.machine.digest() ?? 'none'));
  violations.demand(digests.size === 1, 'state machine safety', () => `digests at the end: ${[...digests].join(' ')}`);
  for (const { process } of all) {
    const faults = process?.machine.faults() ?? [];
    violations.demand(faults.length === 0, 'control plane state', () => faults.join('; '));
  }
}
