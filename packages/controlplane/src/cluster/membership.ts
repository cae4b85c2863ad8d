/**
 * Members coming and going: joining as a learner, promotion when caught up, removal with the interlock on quorum. The
 * order of the two records matters. A learner, on which nobody counts, enters the consensus group before its address is
 * announced: only the group refuses a second disk of the same name for certain. An address is forgotten after its member left.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ConfState, RaftError } from '@flotilla/raft';
import { FlotillaError } from '@flotilla/shared';
import {
  confPendingRetryMs,
  incarnationBytes,
  promotionLagMax,
  promotionSilenceMs,
  proposalTimeoutMs,
} from '../limits.ts';
import { announceFault } from '../state/index.ts';
import { type ClusterHost, nameOf } from './host.ts';
import type { RollCall } from './roll-call.ts';

export interface JoinRequest {
  readonly id: string;
  readonly raft: string;
  readonly api: string;
  /** Drawn by the joining node's disk; drawn here where it is not given. */
  readonly replica?: string | undefined;
  readonly version?: string | undefined;
  /** What its version speaks; the first level where it does not say. */
  readonly featureLevel?: number | undefined;
  /** The cluster that it means; refused where it is another one. */
  readonly clusterName?: string | undefined;
}

export interface JoinAnswer {
  readonly clusterId: string;
  readonly clusterName: string;
  readonly replica: string;
  readonly members: readonly { readonly id: string; readonly replica: string; readonly raft: string }[];
  readonly revision: number;
}

const NO_CONTEXT = new Uint8Array(0);

/** A fresh identity for a node on a fresh disk. */
function newReplicaId(id: string): string {
  return `${id}#${randomBytes(incarnationBytes).toString('hex')}`;
}

/** Who asked, for the audit trail. */
export interface By {
  readonly author: string;
  readonly source: string;
}

/** Takes a node in as a learner. Safe to repeat with the same replica. */
export async function join(host: ClusterHost, request: JoinRequest, clusterName: string, by: By): Promise<JoinAnswer> {
  if (request.clusterName !== undefined && request.clusterName !== clusterName)
    throw new FlotillaError('CONFLICT', `this is the cluster ${clusterName}, not ${request.clusterName}`, {
      hint: 'Give the node the API address of a member of its own cluster, or this name: FLOTILLA_JOIN, FLOTILLA_CLUSTER_NAME.',
    });
  const replica = request.replica ?? newReplicaId(request.id);
  if (nameOf(replica) !== request.id)
    throw new FlotillaError('BAD_REQUEST', `replica ${replica} does not belong to ${request.id}`);
  const { raft, api, id, version = '', featureLevel = 1 } = request;
  const fault = announceFault(host.state, { id, featureLevel });
  if (fault !== null) throw new FlotillaError('CONFLICT', fault);
  await whenNonePending(() => addLearner(host, replica));
  await host.propose({ type: 'member.announce', id, replica, raft, api, version, featureLevel, ...by });
  const members = [...host.state.members.entries()].map(([, row]) => ({
    id: row.id,
    replica: row.replica,
    raft: row.raft,
  }));
  return { clusterId: host.raft.clusterId, clusterName, replica, members, revision: host.revision };
}

async function addLearner(host: ClusterHost, replica: string): Promise<void> {
  const id = nameOf(replica);
  const namesake = () => replicasOf(host.status().conf).find((other) => nameOf(other) === id);
  const refuse = (other: string): never => {
    throw new FlotillaError('CONFLICT', `${id} is a member already, with another disk (${other})`, {
      hint: `If that disk is lost, remove the member first: flotilla members remove ${id}. If not, choose another id.`,
    });
  };
  const known = namesake();
  if (known === replica) return;
  if (known !== undefined) refuse(known);
  await change(host, [{ op: 'add-learner', id: replica }]).catch((error: unknown) => {
    // Another disk was taken in by this name in the same moment; this node may not have heard of it yet.
    if (error instanceof RaftError && error.code === 'CONF_INVALID') refuse(namesake() ?? 'asked for at the same time');
    throw error;
  });
}

/** Removes a member from the group, then from the list. */
export async function remove(
  host: ClusterHost,
  id: string,
  { force, callRoll, by }: { readonly force: boolean; readonly callRoll: () => Promise<RollCall>; readonly by: By },
): Promise<void> {
  await whenNonePending(async () => {
    const { conf } = host.status();
    const replicas = replicasOf(conf).filter((replica) => nameOf(replica) === id);
    if (replicas.length === 0 && !host.state.members.has(id))
      throw new FlotillaError('NOT_FOUND', `${id} is not a member`);
    if (!force) refuseQuorumLoss(host, { conf, id, present: (await callRoll()).present });
    const steps = replicas.map((replica) => ({ op: 'remove' as const, id: replica }));
    if (steps.length > 0) await change(host, steps);
  });
  if (host.state.members.has(id)) await host.propose({ type: 'member.remove', id, ...by });
}

/** Leader's duty: learners that caught up get their vote. One at a time. */
export async function promoteReady(host: ClusterHost): Promise<string | null> {
  const { conf, confPending, peers, lastIndex } = host.status();
  if (confPending || conf.learners.length === 0) return null;
  const ready = peers.find(
    ({ id, voter, match, silentMs, state }) =>
      !voter &&
      conf.learners.includes(id) &&
      state === 'replicate' &&
      silentMs < promotionSilenceMs &&
      lastIndex - match <= promotionLagMax,
  );
  if (ready === undefined) return null;
  // Tried again under another leader, it could give a vote to a replica that was removed meanwhile.
  await change(host, [{ op: 'add-voter', id: ready.id }], true);
  return ready.id;
}

export function replicasOf(conf: ConfState): string[] {
  return [...new Set([...conf.voters, ...conf.votersOutgoing, ...conf.learners, ...conf.learnersNext])];
}

/** Counted are those who answer now: the log may not know yet who died a moment ago. */
function refuseQuorumLoss(
  host: ClusterHost,
  { conf, id, present }: { readonly conf: ConfState; readonly id: string; readonly present: ReadonlySet<string> },
): void {
  const rest = conf.voters.filter((voter) => nameOf(voter) !== id);
  if (rest.length === conf.voters.length) return;
  const alive = rest.filter((voter) => {
    const name = nameOf(voter);
    return host.state.members.get(name)?.alive === true && present.has(name);
  });
  if (rest.length === 0 || alive.length <= rest.length / 2)
    throw new FlotillaError('CONFLICT', `without ${id} only ${alive.length} of ${rest.length} voters would be alive`, {
      hint: 'Bring other members back first, or say ?force=true.',
    });
}

/**
 * The group takes one change after the other, and each is over after a round trip or two: whoever comes meanwhile waits, and
 * looks anew at what the one before has made of the group. Throws CONF_PENDING where it takes longer than a proposal may.
 */
async function whenNonePending(attempt: () => Promise<void>): Promise<void> {
  const deadlineMs = performance.now() + proposalTimeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const isPending = error instanceof RaftError && error.code === 'CONF_PENDING';
      if (!isPending || performance.now() + confPendingRetryMs >= deadlineMs) throw error;
    }
    await sleep(confPendingRetryMs);
  }
}

async function change(
  host: ClusterHost,
  steps: readonly { readonly op: 'add-voter' | 'add-learner' | 'remove'; readonly id: string }[],
  once = false,
): Promise<void> {
  await host.raft.changeMembership({ steps, context: NO_CONTEXT }, { timeoutMs: proposalTimeoutMs, once });
}
