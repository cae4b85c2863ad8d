/**
 * When membership changes: a change is in force once its entry is handed to the host (as in etcd, not when appended).
 *
 * Three rules make that safe: the leader admits no second change before the first is in force; none before its no-op is
 * (so an earlier leader's change cannot linger); and nobody campaigns with a committed change not yet in force. An append
 * that carries a second change also carries the commit of the first, in the same write to disk.
 */
import { applyChange, decodeConfEntry, encodeConfEntry } from './conf-change.ts';
import { assert } from './assert.ts';
import type { ProposalRefusal } from './messages.ts';
import { send } from './outbox.ts';
import { Progress } from './progress.ts';
import { isJoint, isVoter, membersOf } from './quorum.ts';
import { advanceCommit, appendAsLeader, broadcastAppend, sendAppend } from './replication.ts';
import { becomeFollower } from './roles.ts';
import type { Leadership, RaftState } from './state.ts';
import { bestTarget } from './transfer.ts';
import { EntryKind, type ConfChange, type ConfState, type Entry, type Index, type ReplicaId } from './types.ts';

const LEAVE_JOINT: ConfChange = { steps: [], context: new Uint8Array(0) };

export function isConfPending(s: RaftState, leading: Leadership): boolean {
  return leading.pendingConfIndex > s.applying || isJoint(s.conf);
}

/** Appends a change, or says why not. */
export function appendConfChange(
  s: RaftState,
  leading: Leadership,
  change: ConfChange,
  caller: { readonly origin: ReplicaId; readonly seq: number },
): Index | ProposalRefusal {
  if (leading.pendingConfIndex > s.applying) return 'conf-pending';
  if (isJoint(s.conf) && change.steps.length > 0) return 'conf-pending';
  const conf = applyChange(s.conf, change);
  if (conf === null) return 'conf-invalid';
  leading.pendingConfIndex = s.log.lastIndex + 1;
  return appendAsLeader(s, leading, [{ kind: EntryKind.conf, ...caller, data: encodeConfEntry({ change, conf }) }]);
}

/** The entry is committed and ours: from here on decisions are taken by the new configuration. */
export function enforceConfEntry(s: RaftState, entry: Entry): void {
  const decoded = decodeConfEntry(entry.data);
  assert(decoded !== null, 'a committed membership change is readable');
  s.conf = decoded.conf;
  s.effects.push({ type: 'conf', index: entry.index, conf: s.conf });
}

/** After `conf` took the place of `before`: the leader's list of followers, its own office, and what it means for commit. */
export function leadUnderNewConf(s: RaftState, leading: Leadership, before: ConfState): void {
  const members = new Set(membersOf(s.conf));
  for (const id of membersOf(before)) {
    const progress = leading.progress.get(id);
    if (progress === undefined || members.has(id)) continue;
    // Tell it, as far as it follows, that its removal is committed; nobody will talk to it afterwards.
    sendAppend(s, id, progress, 'commit');
    leading.progress.delete(id);
  }
  for (const id of members) {
    if (id !== s.self && !leading.progress.has(id)) leading.progress.set(id, new Progress(s.log.lastIndex, s.nowMs));
  }
  sortByKey(leading.progress);
  if (leading.transfer !== null && !isVoter(s.conf, leading.transfer.to)) leading.transfer = null;
  if (!isVoter(s.conf, s.self)) startRetirement(s, leading);
  // Fewer voters may make a quorum of what is already acknowledged.
  advanceCommit(s, leading);
  broadcastAppend(s, leading);
}

function sortByKey(map: Map<ReplicaId, Progress>): void {
  const sorted = [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  map.clear();
  for (const [id, progress] of sorted) map.set(id, progress);
}

/**
 * We were removed or demoted. We lead on, counting for nothing, until a quorum of those who stay has one more entry: with
 * it on disk they know that the change is committed, and can elect one of their own without us (§6).
 */
function startRetirement(s: RaftState, leading: Leadership): void {
  if (leading.farewell > 0) return;
  leading.farewell = s.log.lastIndex + 1;
  appendAsLeader(s, leading, [{ kind: EntryKind.noop, origin: '', seq: 0, data: LEAVE_JOINT.context }]);
}

/** That entry is committed: let the best one take over at once. */
export function retireIfDue(s: RaftState, leading: Leadership): void {
  if (leading.farewell === 0 || s.commit < leading.farewell) return;
  const heir = bestTarget(s, leading);
  if (heir !== null) send(s, heir, { type: 'timeout-now', term: s.term });
  becomeFollower(s, s.term, null);
}

/** The joint configuration is in force and meant to be passing: leave it. Harmless to ask again. */
export function leaveJointIfDue(s: RaftState, leading: Leadership): void {
  if (!isJoint(s.conf) || !s.conf.autoLeave || leading.pendingConfIndex > s.applying) return;
  appendConfChange(s, leading, LEAVE_JOINT, { origin: '', seq: 0 });
}
