/**
 * The core's view of the disk: turns what a step wants written into one persist effect, and learns what became durable.
 * Writes are confirmed strictly in order; what was cut off meanwhile is not counted (the ABA of asynchronous writes).
 */
import { assert } from './assert.ts';
import type { Effect } from './effects.ts';
import { recordVote } from './election.ts';
import { advanceCommit } from './replication.ts';
import { snapshotInForce } from './snapshotting.ts';
import { emptyDraft, type RaftState } from './state.ts';

/** One persist effect for everything that this step wants written, or null. */
export function takeWrite(s: RaftState): Effect | null {
  const { draft, hardWritten } = s;
  const votes = s.term !== hardWritten.term || s.vote !== hardWritten.vote;
  const flush = s.commit !== hardWritten.commit && s.nowMs >= s.commitFlushMs;
  const writes = votes || flush || draft.append.length > 0 || draft.truncateFrom !== null || draft.install !== null;
  if (!writes && draft.release.length === 0) {
    noteUnwrittenCommit(s);
    return null;
  }
  s.draft = emptyDraft();
  s.io += 1;
  // A barrier repeats what was written last: it must not look like news.
  if (writes) s.hardWritten = { term: s.term, vote: s.vote, commit: s.commit };
  s.commitFlushMs = Infinity;
  noteUnwrittenCommit(s);
  s.writes.push({
    io: s.io,
    durableTo: s.log.lastIndex,
    selfVoteTerm: draft.selfVote ? s.term : 0,
    install: draft.install,
  });
  return {
    type: 'persist',
    io: s.io,
    hard: s.hardWritten,
    truncateFrom: draft.truncateFrom,
    append: draft.append,
    installSnapshot: draft.install,
    release: draft.release,
    ...(writes ? {} : { barrier: true }),
  };
}

function noteUnwrittenCommit(s: RaftState): void {
  if (s.commit === s.hardWritten.commit) s.commitFlushMs = Infinity;
  else if (s.commitFlushMs === Infinity) s.commitFlushMs = s.nowMs + s.config.commitFlushMs;
}

/** Every write up to `io` is on disk. */
export function handlePersisted(s: RaftState, io: number): void {
  assert(io <= s.io, 'only what was written can become durable');
  const before = s.durable;
  for (let write = s.writes[0]; write !== undefined && write.io <= io; write = s.writes[0]) {
    s.writes.shift();
    s.durable = Math.max(s.durable, write.durableTo);
    if (write.install !== null) {
      s.installing = s.writes.some((later) => later.install !== null);
      // A newer one is being written already: the older never comes into force.
      if (!s.installing) snapshotInForce(s, write.install);
    }
    if (write.selfVoteTerm === s.term && s.role === 'candidate') recordVote(s, s.self, true);
  }
  if (s.leading !== null && s.durable > before) advanceCommit(s, s.leading);
}
