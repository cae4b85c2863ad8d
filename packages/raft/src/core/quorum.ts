/**
 * Majority arithmetic, by sorting: clever incremental versions of this have lost data elsewhere (openraft#1802).
 * In a joint configuration a decision needs both halves, so every result is the weaker of the two (§6).
 */
import type { ConfState, ReplicaId } from './types.ts';

export type VoteResult = 'won' | 'lost' | 'pending';

export function majorityCount(voterCount: number): number {
  return Math.floor(voterCount / 2) + 1;
}

/** The highest value that a majority of `ids` has reached. Infinity for no ids: an empty half agrees with anything. */
export function majorityValue(ids: readonly ReplicaId[], valueOf: (id: ReplicaId) => number): number {
  if (ids.length === 0) return Infinity;
  const values = ids.map(valueOf).sort((a, b) => a - b);
  return values[ids.length - majorityCount(ids.length)] ?? 0;
}

/** The highest value that a quorum has reached: of match indexes the commit index, of times the last contact with a quorum. */
export function quorumValue(conf: ConfState, valueOf: (id: ReplicaId) => number): number {
  return Math.min(majorityValue(conf.voters, valueOf), majorityValue(conf.votersOutgoing, valueOf));
}

export function majorityVote(ids: readonly ReplicaId[], votes: ReadonlyMap<ReplicaId, boolean>): VoteResult {
  const needed = majorityCount(ids.length);
  let granted = 0;
  let missing = 0;
  for (const id of ids) {
    const vote = votes.get(id);
    if (vote === true) granted += 1;
    else if (vote === undefined) missing += 1;
  }
  if (ids.length === 0 || granted >= needed) return 'won';
  return granted + missing >= needed ? 'pending' : 'lost';
}

export function quorumVote(conf: ConfState, votes: ReadonlyMap<ReplicaId, boolean>): VoteResult {
  const incoming = majorityVote(conf.voters, votes);
  const outgoing = majorityVote(conf.votersOutgoing, votes);
  if (incoming === outgoing) return incoming;
  return incoming === 'lost' || outgoing === 'lost' ? 'lost' : 'pending';
}

export function isVoter(conf: ConfState, id: ReplicaId): boolean {
  return conf.voters.includes(id) || conf.votersOutgoing.includes(id);
}

export function isJoint(conf: ConfState): boolean {
  return conf.votersOutgoing.length > 0;
}

/** Everyone in the configuration, learners included, sorted: no decision may hang on the order of a map. */
export function membersOf(conf: ConfState): ReplicaId[] {
  return [...new Set([...conf.voters, ...conf.votersOutgoing, ...conf.learners])].sort();
}
