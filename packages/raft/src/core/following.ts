/**
 * The follower's side of the log (§5.3): accept what fits, refuse with a hint what does not, cut off only what truly
 * conflicts. Acknowledgements leave only after the write that they speak of.
 */
import { assert } from './assert.ts';
import { noteStamp } from './log-time.ts';
import type { AppendRequest, Heartbeat } from './messages.ts';
import { send, sendDurable } from './outbox.ts';
import { waitForLeader } from './patience.ts';
import type { RaftState } from './state.ts';
import type { Entry, Index, ReplicaId } from './types.ts';

export function handleAppend(s: RaftState, from: ReplicaId, message: AppendRequest): void {
  if (!isContiguous(message)) return;
  if (message.prevIndex < s.commit && !reaches(s, message)) return acknowledge(s, from, s.commit);
  const known = s.log.termAt(message.prevIndex);
  if (message.prevIndex >= s.commit && known !== message.prevTerm) return refuse(s, from, message);
  const lastNew = message.prevIndex + message.entries.length;
  const fresh = firstUnknown(s, message.entries);
  if (fresh.length > 0) takeEntries(s, fresh);
  // Proven equal to the leader's log up to lastNew, and no further: only so far may its commit index be believed.
  s.matched = Math.max(s.matched, lastNew);
  s.commit = Math.max(s.commit, Math.min(message.commit, s.matched));
  acknowledge(s, from, lastNew);
}

/** Does an append that begins before our commit index hold anything after it? Old news is answered with what we have. */
function reaches(s: RaftState, message: AppendRequest): boolean {
  return message.prevIndex + message.entries.length > s.commit;
}

function isContiguous(message: AppendRequest): boolean {
  let index = message.prevIndex;
  let term = message.prevTerm;
  for (const entry of message.entries) {
    index += 1;
    if (entry.index !== index || entry.term < term || entry.term > message.term) return false;
    term = entry.term;
  }
  return true;
}

/** The tail that is not in our log, or conflicts with it. What is committed is equal by definition. */
function firstUnknown(s: RaftState, entries: readonly Entry[]): readonly Entry[] {
  for (const [offset, entry] of entries.entries()) {
    if (entry.index > s.commit && s.log.termAt(entry.index) !== entry.term) {
      return offset === 0 ? entries : entries.slice(offset);
    }
  }
  return [];
}

function takeEntries(s: RaftState, entries: readonly Entry[]): void {
  const first = entries[0]?.index ?? 0;
  if (first <= s.log.lastIndex) cutOff(s, first);
  s.log.append(entries);
  waitForLeader(s, entries);
  for (const entry of entries) {
    s.draft.append.push(entry);
    noteStamp(s, entry);
  }
}

function cutOff(s: RaftState, from: Index): void {
  assert(from > s.commit, 'nothing committed is ever cut off');
  s.log.truncateFrom(from);
  s.draft.truncateFrom = from;
  s.durable = Math.min(s.durable, from - 1);
  // Writes under way may yet put the old entries on disk; they no longer speak for this part of the log.
  for (const write of s.writes) write.durableTo = Math.min(write.durableTo, from - 1);
}

function acknowledge(s: RaftState, to: ReplicaId, index: Index): void {
  sendDurable(s, to, {
    type: 'append-response',
    term: s.term,
    rejected: false,
    index,
    hintIndex: 0,
    hintTerm: 0,
    digestIndex: s.lastCheckpoint.index,
    digest: s.lastCheckpoint.digest,
  });
}

/** A refusal promises nothing, so it need not wait for the disk. */
function refuse(s: RaftState, to: ReplicaId, message: AppendRequest): void {
  const hint = s.log.lastIndexWithTermAtMost(Math.min(message.prevIndex, s.log.lastIndex), message.prevTerm);
  send(s, to, {
    type: 'append-response',
    term: s.term,
    rejected: true,
    index: message.prevIndex,
    hintIndex: hint.index,
    hintTerm: hint.term,
    digestIndex: s.lastCheckpoint.index,
    digest: s.lastCheckpoint.digest,
  });
}

export function handleHeartbeat(s: RaftState, from: ReplicaId, message: Heartbeat): void {
  s.commit = Math.max(s.commit, Math.min(message.commit, s.matched));
  send(s, from, { type: 'heartbeat-response', term: s.term, readSeq: message.readSeq });
}
