/**
 * The leader's side of the log (§5.3, §5.4): append, send, hear answers, commit. Sends while its own disk still writes;
 * its own copy counts only once durable.
 */
import { assert } from './assert.ts';
import { nextStamp } from './log-time.ts';
import { entryBytes } from './log.ts';
import type { AppendResponse, HeartbeatResponse } from './messages.ts';
import { send } from './outbox.ts';
import { isHeavy, waitForQuorum } from './patience.ts';
import type { Progress } from './progress.ts';
import { quorumValue } from './quorum.ts';
import { assignWaitingReads } from './reads.ts';
import { startSnapshot } from './snapshotting.ts';
import type { Leadership, RaftState } from './state.ts';
import { type Entry, EntryKind, type Index, type ReplicaId } from './types.ts';

export interface NewEntry {
  readonly kind: EntryKind;
  readonly origin: ReplicaId;
  readonly seq: number;
  readonly data: Uint8Array;
}

/** Appends to our own log and sends to everyone who keeps up. Returns the index of the first. */
export function appendAsLeader(s: RaftState, leading: Leadership, items: readonly NewEntry[]): Index {
  const first = s.log.lastIndex + 1;
  const stampMs = nextStamp(s, s.log.entryAt(first - 1));
  const entries: Entry[] = [];
  for (const { kind, origin, seq, data } of items) {
    // The fields in the order in which the codec reads them: entries of one shape are cheap everywhere.
    const entry: Entry = { index: first + entries.length, term: s.term, kind, stampMs, origin, seq, data };
    entries.push(entry);
    leading.uncommittedBytes += entryBytes(entry);
  }
  s.log.append(entries);
  waitForQuorum(s, leading, entries);
  for (const entry of entries) s.draft.append.push(entry);
  broadcastAppend(s, leading);
  return first;
}

/** entries: only if there are any. commit: also just to tell a newer commit index. probe: always, to get an answer. */
type SendMode = 'entries' | 'commit' | 'probe';

export function sendAppend(s: RaftState, to: ReplicaId, progress: Progress, mode: SendMode): boolean {
  if (progress.state === 'snapshot' || (progress.state === 'probe' && progress.paused)) return false;
  const prevIndex = progress.next - 1;
  const prevTerm = s.log.termAt(prevIndex);
  if (prevTerm === undefined) return startSnapshot(s, to, progress);
  const full = progress.state === 'replicate' && progress.windowFull(s.config);
  if (full && mode !== 'probe') return false;
  const hasEntries = !full && progress.next <= s.log.lastIndex;
  if (!hasEntries && (mode === 'entries' || (mode === 'commit' && progress.sentCommit >= s.commit))) return false;
  const { entries, bytes } = hasEntries ? s.log.sliceBytes(progress.next, s.config.maxAppendBytes) : NOTHING;
  if (mode === 'entries' && waitsForMore(s, progress, prevIndex + entries.length)) return false;
  send(s, to, { type: 'append', term: s.term, prevIndex, prevTerm, entries, commit: s.commit });
  progress.sentCommit = Math.max(progress.sentCommit, s.commit);
  if (entries.length > 0 || progress.state === 'probe') progress.sent(prevIndex + entries.length, bytes);
  return true;
}

/** The answer that is under way will send these entries, and what has come by then, in one message. */
function waitsForMore(s: RaftState, progress: Progress, lastIndex: Index): boolean {
  if (progress.state !== 'replicate' || progress.inflights.count < s.config.maxPartialAppends) return false;
  return lastIndex === s.log.lastIndex;
}

const NOTHING: { readonly entries: readonly Entry[]; readonly bytes: number } = { entries: [], bytes: 0 };

/** Everything that the window allows. */
function sendEntries(s: RaftState, to: ReplicaId, progress: Progress): void {
  while (sendAppend(s, to, progress, 'entries')) {
    if (progress.state !== 'replicate') return;
  }
}

export function broadcastAppend(s: RaftState, leading: Leadership): void {
  for (const [id, progress] of leading.progress) sendEntries(s, id, progress);
}

export function broadcastCommit(s: RaftState, leading: Leadership): void {
  leading.commitDueMs = Infinity;
  for (const [id, progress] of leading.progress) sendAppend(s, id, progress, 'commit');
}

export function handleAppendResponse(
  s: RaftState,
  leading: Leadership,
  from: ReplicaId,
  message: AppendResponse,
): void {
  const progress = leading.progress.get(from);
  if (progress === undefined) return;
  if (message.rejected) {
    // Skip whole terms on our side too: of the entries up to the hint only those with its term or an earlier one can match.
    const hint = s.log.lastIndexWithTermAtMost(Math.min(message.hintIndex, s.log.lastIndex), message.hintTerm).index;
    if (progress.refused(message.index, message.hintTerm > 0 ? hint : message.hintIndex)) {
      sendAppend(s, from, progress, 'probe');
    }
    return;
  }
  assert(message.index <= s.log.lastIndex, 'nobody acknowledges what the leader does not have');
  const news = progress.acknowledged(message.index);
  if (progress.state === 'probe' && (news || message.index === progress.match)) progress.becomeReplicate();
  else if (progress.state === 'snapshot' && s.log.termAt(progress.match) !== undefined) progress.becomeReplicate();
  if (news) advanceCommit(s, leading);
  sendEntries(s, from, progress);
}

export function handleHeartbeatResponse(
  s: RaftState,
  leading: Leadership,
  from: ReplicaId,
  message: HeartbeatResponse,
): void {
  const progress = leading.progress.get(from);
  if (progress === undefined) return;
  progress.readAck = Math.max(progress.readAck, message.readSeq);
  // It lives and answers. What we sent and it did not acknowledge may be lost: one more message finds out.
  progress.paused = false;
  if (progress.state === 'probe' || progress.match < s.log.lastIndex) sendAppend(s, from, progress, 'probe');
}

/** Commits what a quorum has on disk, if it is of our own term: older entries are committed only along with it (§5.4.2). */
export function advanceCommit(s: RaftState, leading: Leadership): void {
  const index = quorumValue(s.conf, (id) => (id === s.self ? s.durable : (leading.progress.get(id)?.match ?? 0)));
  if (index <= s.commit || s.log.termAt(index) !== s.term) return;
  const waiting = new Set<ReplicaId>();
  const firstOfTerm = s.commit < leading.termStart;
  let urgent = firstOfTerm || s.config.commitDelayMs === 0;
  for (let at = Math.max(s.commit + 1, leading.termStart); at <= index; at += 1) {
    const entry = s.log.entryAt(at);
    if (entry === undefined) continue;
    leading.uncommittedBytes -= entryBytes(entry);
    waiting.add(entry.origin);
    // A change may end our own office: nobody else would tell of it. A heavy entry will silence us in a moment.
    urgent ||= entry.kind === EntryKind.conf || isHeavy(s, entry);
  }
  s.commit = index;
  if (firstOfTerm) assignWaitingReads(s, leading);
  if (urgent) broadcastCommit(s, leading);
  else tellCommitSoon(s, leading, waiting);
}

/** The proposers at once; the others most often with the next entries, which spares each a message and its answer. */
function tellCommitSoon(s: RaftState, leading: Leadership, waiting: ReadonlySet<ReplicaId>): void {
  for (const id of waiting) {
    const progress = leading.progress.get(id);
    if (progress !== undefined) sendAppend(s, id, progress, 'commit');
  }
  leading.commitDueMs = Math.min(leading.commitDueMs, s.nowMs + s.config.commitDelayMs);
}
