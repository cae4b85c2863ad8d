/**
 * Consistency across replicas: at equal index all state machines have the equal digest. Followers report their newest
 * checkpoint with every acknowledgement; the leader compares. A majority decides who is wrong, be it the leader itself.
 */
import { majorityCount } from './quorum.ts';
import type { Leadership, RaftState } from './state.ts';
import type { Index, ReplicaId } from './types.ts';

function forgetOldest<V>(map: Map<Index, V>, limit: number): void {
  for (const index of map.keys()) {
    if (map.size <= limit) return;
    map.delete(index);
  }
}

/** Our own state machine reached a checkpoint. */
export function noteCheckpoint(s: RaftState, index: Index, digest: string): void {
  s.checkpoints.set(index, digest);
  s.lastCheckpoint = { index, digest };
  forgetOldest(s.checkpoints, s.config.maxCheckpoints);
  if (s.leading !== null) compare(s, s.leading, index);
}

/** A follower reported one. */
export function noteReport(
  s: RaftState,
  leading: Leadership,
  from: ReplicaId,
  report: { readonly digestIndex: Index; readonly digest: string },
): void {
  const { digestIndex: index, digest } = report;
  if (index === 0 || !leading.progress.has(from)) return;
  let reports = leading.reports.get(index);
  if (reports?.get(from) === digest) return;
  if (reports === undefined) {
    reports = new Map();
    leading.reports.set(index, reports);
    forgetOldest(leading.reports, s.config.maxCheckpoints);
  }
  reports.set(from, digest);
  compare(s, leading, index);
}

function compare(s: RaftState, leading: Leadership, index: Index): void {
  const ours = s.checkpoints.get(index);
  const reports = leading.reports.get(index);
  if (ours === undefined || reports === undefined) return;
  if ([...reports.values()].every((digest) => digest === ours)) return;
  const all = new Map([...reports, [s.self, ours] as const]);
  const truth = majorityDigest(s, all);
  // Without a majority yet, wait for the other voters that are alive; if they do not settle it, the leader's word counts.
  if (truth === null && isAwaitingReports(s, leading, all)) return;
  for (const [replica, digest] of all) {
    if (digest === (truth ?? ours) || leading.diverged.has(replica)) continue;
    leading.diverged.add(replica);
    const [mine, theirs] = replica === s.self ? [ours, truth ?? ours] : [truth ?? ours, digest];
    s.effects.push({ type: 'diverged', replica, index, ours: mine, theirs });
  }
}

function majorityDigest(s: RaftState, all: ReadonlyMap<ReplicaId, string>): string | null {
  const counts = new Map<string, number>();
  for (const id of s.conf.voters) {
    const digest = all.get(id);
    if (digest !== undefined) counts.set(digest, (counts.get(digest) ?? 0) + 1);
  }
  for (const [digest, count] of counts) if (count >= majorityCount(s.conf.voters.length)) return digest;
  return null;
}

function isAwaitingReports(s: RaftState, leading: Leadership, all: ReadonlyMap<ReplicaId, string>): boolean {
  return s.conf.voters.some((id) => {
    const progress = leading.progress.get(id);
    return !all.has(id) && progress !== undefined && s.nowMs - progress.lastContactMs <= s.config.electionMaxMs;
  });
}
