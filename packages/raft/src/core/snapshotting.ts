/**
 * Snapshots: our own (the log before them may go), those we send to a follower that is too far behind, and those we get.
 * The bytes are never seen here; the core decides when one counts.
 */
import { assert } from './assert.ts';
import type { SnapshotMeta } from './types.ts';
import { sendDurable } from './outbox.ts';
import type { Progress } from './progress.ts';
import type { Leadership, RaftState } from './state.ts';
import type { Index, ReplicaId } from './types.ts';

/** This replica has written a snapshot of itself. */
export function handleSnapshotSaved(s: RaftState, meta: SnapshotMeta, compactTo: Index): void {
  assert(meta.index <= s.applied, 'a snapshot holds only what was applied');
  if (meta.index <= (s.snapshot?.index ?? 0)) return;
  s.snapshot = meta;
  s.log.compactTo(Math.min(compactTo, meta.index + 1));
}

/** The entries that `to` needs are gone: it gets the newest snapshot instead. False where that is no use now. */
export function startSnapshot(s: RaftState, to: ReplicaId, progress: Progress): boolean {
  if (s.snapshot === null) return false;
  // Whoever is silent would not finish it; its next answer asks again.
  if (s.down.has(to) || s.nowMs - progress.lastContactMs > s.config.electionMaxMs) return false;
  progress.becomeSnapshot(s.snapshot.index);
  s.effects.push({ type: 'send-snapshot', to, term: s.term, meta: s.snapshot });
  return true;
}

export function handleSnapshotSent(leading: Leadership, to: ReplicaId, index: Index, ok: boolean): void {
  const progress = leading.progress.get(to);
  if (progress === undefined || progress.state !== 'snapshot' || progress.pendingSnapshot !== index) return;
  if (!ok) progress.pendingSnapshot = 0;
  progress.becomeProbe();
  // Its acknowledgement goes on from here; if that is lost, or the transfer failed, the next heartbeat's answer does.
  progress.paused = true;
}

/** A snapshot from the leader of this term is here, complete and verified. */
export function installSnapshot(s: RaftState, from: ReplicaId, meta: SnapshotMeta): void {
  const known = meta.index <= s.commit;
  if (!known && s.log.termAt(meta.index) === meta.term) {
    // We have that very entry, so all before it too: the log stays (§7). Behind it may be what we have acknowledged already.
    s.commit = meta.index;
    s.matched = Math.max(s.matched, meta.index);
  } else if (!known) {
    s.log.resetTo(meta.index, meta.term);
    // On disk, of what still counts, is what we already acted on; the rest comes with the snapshot.
    for (const write of s.writes) write.durableTo = Math.min(write.durableTo, s.applying);
    s.durable = s.applying;
    s.commit = meta.index;
    s.matched = meta.index;
    s.installing = true;
    s.draft.install = meta;
  }
  sendDurable(s, from, {
    type: 'append-response',
    term: s.term,
    rejected: false,
    index: known ? s.commit : meta.index,
    hintIndex: 0,
    hintTerm: 0,
    digestIndex: s.lastCheckpoint.index,
    digest: s.lastCheckpoint.digest,
  });
}

/** The received snapshot is on disk: the state machine is replaced before anything after it is applied. */
export function snapshotInForce(s: RaftState, meta: SnapshotMeta): void {
  s.snapshot = meta;
  s.conf = meta.conf;
  s.applying = meta.index;
  s.effects.push({ type: 'conf', index: meta.index, conf: meta.conf }, { type: 'restore', meta });
}
