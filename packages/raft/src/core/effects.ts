/**
 * Everything that a replica asks of its host. Exactly one executor performs them, in the order given.
 *
 * THE ordering rule: what sits in `persist.release` may be performed only after that very write is durable. Votes,
 * self-votes and append acknowledgements exist nowhere else, so there is no way to send them early (hazards 1, 24, 26).
 * Writes are performed one at a time, in order of `io`; the driver may merge those that wait into one synced batch.
 * `send` outside `release` (a leader's appends, heartbeats, requests) needs no durability and goes out at once.
 */
import type { Message, ProposalRefusal } from './messages.ts';
import type { ProposalOutcome } from './events.ts';
import type { Entry, EntryRow, HardState, Index, ReplicaId, Role, SnapshotMeta, Term, ConfState } from './types.ts';

/** Control traffic (votes, heartbeats, acknowledgements) never waits behind log data. */
export type Lane = 'control' | 'bulk';

export type Effect =
  | {
      readonly type: 'persist';
      /** Number of this write, rising by one. */
      readonly io: number;
      readonly hard: HardState;
      /** Delete entries from here on, in the same batch as what replaces them; null where nothing conflicts. */
      readonly truncateFrom: Index | null;
      readonly append: readonly Entry[];
      /** Make this received snapshot the base of the log (drops the log before and, if it conflicts, after it). */
      readonly installSnapshot: SnapshotMeta | null;
      readonly release: readonly Effect[];
      /**
       * Nothing to write: `release` only has to wait for the writes before it. No disk operation is needed, but
       * `persisted` is still expected. (Acknowledgements of appends that carried only a commit index are such.)
       */
      readonly barrier?: boolean;
    }
  | { readonly type: 'send'; readonly to: ReplicaId; readonly message: Message; readonly lane: Lane }
  /** Stream the newest snapshot to a peer; report with `snapshot-sent`. */
  | { readonly type: 'send-snapshot'; readonly to: ReplicaId; readonly term: Term; readonly meta: SnapshotMeta }
  /** Committed entries, contiguous, in order. The core applies membership changes itself; the host still sees the entries. */
  | { readonly type: 'apply'; readonly entries: EntryRow }
  /** Replace the state machine by the installed snapshot; report with `applied`. */
  | { readonly type: 'restore'; readonly meta: SnapshotMeta }
  | { readonly type: 'proposed'; readonly outcomes: readonly ProposalOutcome[] }
  | { readonly type: 'read-ready'; readonly seq: number; readonly index: Index }
  | { readonly type: 'read-failed'; readonly seq: number; readonly refused: ProposalRefusal }
  | { readonly type: 'role'; readonly role: Role; readonly term: Term; readonly leader: ReplicaId | null }
  /** Membership in force from this index on. */
  | { readonly type: 'conf'; readonly index: Index; readonly conf: ConfState }
  /** A replica's state differs from the leader's at the same index: it must be fenced. */
  | {
      readonly type: 'diverged';
      readonly replica: ReplicaId;
      readonly index: Index;
      readonly ours: string;
      readonly theirs: string;
    }
  /** Send a `time` event at this monotonic time or later. The newest one counts. */
  | { readonly type: 'wake-at'; readonly atMs: number }
  /** An invariant is broken: stop the process before more harm is done. */
  | { readonly type: 'halt'; readonly reason: string };
