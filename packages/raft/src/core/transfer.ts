/**
 * Leadership transfer (§3.10 of the thesis): stop accepting, let the target catch up, tell it to campaign at once. If it
 * has not taken over within an election timeout, the leader goes on as before.
 */
import { send } from './outbox.ts';
import { sendAppend } from './replication.ts';
import { becomeFollower } from './roles.ts';
import type { Leadership, RaftState } from './state.ts';
import type { ReplicaId } from './types.ts';

/** The voter that can take over soonest: reachable, and with most of the log. */
export function bestTarget(s: RaftState, leading: Leadership): ReplicaId | null {
  let best: ReplicaId | null = null;
  let bestMatch = -1;
  for (const [id, progress] of leading.progress) {
    if (!s.conf.voters.includes(id) || s.down.has(id)) continue;
    if (s.nowMs - progress.lastContactMs > s.config.electionMinMs || progress.match <= bestMatch) continue;
    best = id;
    bestMatch = progress.match;
  }
  return best;
}

/** `wanted`: to whom; null: to whoever can take over soonest. */
export function startTransfer(s: RaftState, leading: Leadership, wanted: ReplicaId | null): void {
  const to = wanted ?? bestTarget(s, leading);
  if (to === null || to === s.self || !s.conf.voters.includes(to)) return;
  if (leading.transfer?.to === to) return;
  leading.transfer = {
    to,
    deadlineMs: s.nowMs + s.config.electionMinMs,
    asked: false,
  };
  finishTransfer(s, leading);
  const progress = leading.progress.get(to);
  // What was sent may be lost: find out now, not at the next heartbeat.
  if (!leading.transfer.asked && progress !== undefined) sendAppend(s, to, progress, 'probe');
}

/** Once the target has everything, it may campaign. */
export function finishTransfer(s: RaftState, leading: Leadership): void {
  const { transfer } = leading;
  if (transfer === null || transfer.asked) return;
  if (leading.progress.get(transfer.to)?.match !== s.log.lastIndex) return;
  transfer.asked = true;
  send(s, transfer.to, { type: 'timeout-now', term: s.term });
}

export function expireTransfer(s: RaftState, leading: Leadership): void {
  const { transfer } = leading;
  if (transfer === null || s.nowMs < transfer.deadlineMs) return;
  leading.transfer = null;
}

/** On a disk that does not answer a leader stays only while it hands over, and where there is no other voter. */
export function leaveStalledDisk(s: RaftState, leading: Leadership): void {
  if (s.diskStalled && leading.transfer === null && s.conf.voters.length > 1) becomeFollower(s, s.term, null);
}
