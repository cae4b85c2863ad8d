/**
 * Everything that can happen to a replica. The core is a function of (state, event): it has no other input.
 *
 * `nowMs` is a monotonic clock in milliseconds (fractions allowed); `wallMs` is wall-clock time, used only to stamp entries.
 */
import type { Message, ProposalRefusal } from './messages.ts';
import type { ConfChange, Index, ReplicaId, SnapshotMeta, Term } from './types.ts';

export interface Proposal {
  readonly seq: number;
  readonly data: Uint8Array;
}

export type Event =
  /** Time has come; the driver sends it at or after the last `wake-at`. */
  | { readonly type: 'time'; readonly nowMs: number; readonly wallMs: number }
  /** The host's loop stalled for `gapMs`: deadlines that passed meanwhile prove nothing about the leader. */
  | { readonly type: 'stall'; readonly nowMs: number; readonly gapMs: number }
  | {
      readonly type: 'receive';
      readonly nowMs: number;
      readonly wallMs: number;
      readonly from: ReplicaId;
      readonly message: Message;
    }
  | {
      readonly type: 'propose';
      readonly nowMs: number;
      readonly wallMs: number;
      readonly proposals: readonly Proposal[];
    }
  | {
      readonly type: 'propose-conf';
      readonly nowMs: number;
      readonly wallMs: number;
      readonly seq: number;
      readonly change: ConfChange;
    }
  /** `seq` is unique at this replica and rises; never reused, not even for a retry. */
  | { readonly type: 'read-index'; readonly nowMs: number; readonly seq: number }
  /** The persist effect with this number is durable. Strictly in order. */
  | { readonly type: 'persisted'; readonly nowMs: number; readonly io: number }
  /** The state machine has applied everything up to `index`. `digest` where `index` is a checkpoint, else ''. */
  | {
      readonly type: 'applied';
      readonly nowMs: number;
      readonly wallMs: number;
      readonly index: Index;
      readonly digest: string;
    }
  /** This replica has written a snapshot of itself; the log before it may go. */
  | { readonly type: 'snapshot-saved'; readonly nowMs: number; readonly meta: SnapshotMeta; readonly compactTo: Index }
  /** A snapshot stream from the leader is complete and verified, but not in force yet. */
  | {
      readonly type: 'snapshot-received';
      readonly nowMs: number;
      readonly from: ReplicaId;
      readonly term: Term;
      readonly meta: SnapshotMeta;
    }
  | {
      readonly type: 'snapshot-sent';
      readonly nowMs: number;
      readonly to: ReplicaId;
      readonly index: Index;
      readonly ok: boolean;
    }
  /** The connection to a peer broke (`reset`: its process is gone, the kernel said so). */
  | { readonly type: 'link-down'; readonly nowMs: number; readonly peer: ReplicaId; readonly reset: boolean }
  | { readonly type: 'link-up'; readonly nowMs: number; readonly peer: ReplicaId }
  /** Hand leadership to `to`, or to the most caught-up voter where null. */
  | { readonly type: 'transfer'; readonly nowMs: number; readonly wallMs: number; readonly to: ReplicaId | null }
  /** The disk has not answered for too long (`stalled`) or is nearly full (`full`): see the driver. */
  | { readonly type: 'disk'; readonly nowMs: number; readonly stalled: boolean; readonly full: boolean };

/** What a waiting caller is told. `index` is where it was appended; its result is known once that entry is applied. */
export type ProposalOutcome =
  | { readonly seq: number; readonly accepted: true; readonly index: Index; readonly term: Term }
  | { readonly seq: number; readonly accepted: false; readonly refused: ProposalRefusal };
