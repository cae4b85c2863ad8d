/**
 * What the driver needs from a disk, a network and a state machine. Real ones live in `storage/`, `transport/` and with
 * the caller; in-memory ones in `testing/`. Each port has an acceptance suite that every implementation passes.
 */
import type { Message } from '../core/messages.ts';
import type { Lane } from '../core/effects.ts';
import type { ConfState, Entry, EntryRow, HardState, Index, ReplicaId, SnapshotMeta, Term } from '../core/types.ts';

/** Written once when a data directory joins a cluster; checked at every open. */
export interface Identity {
  readonly clusterId: string;
  readonly replica: ReplicaId;
  /** Layout version of the store. */
  readonly format: number;
  readonly createdMs: number;
}

/** What a store holds when opened. `faults` non-empty: the log is damaged; this replica must not vote with it. */
export interface Recovered {
  readonly identity: Identity | null;
  readonly hard: HardState;
  readonly snapshot: SnapshotMeta | null;
  /** Contiguous from snapshot.index + 1 (or an earlier kept index, see `firstIndex`). */
  readonly entries: EntryRow;
  readonly firstIndex: Index;
  readonly faults: readonly string[];
  /** Membership where there is no snapshot yet (a freshly formed cluster). */
  readonly initialConf: ConfState;
  /** Replica id that an unformed store reserved for itself, so that a restart before formation keeps it. */
  readonly reserved: ReplicaId | null;
}

export interface PersistBatch {
  readonly hard: HardState;
  readonly truncateFrom: Index | null;
  readonly append: readonly Entry[];
  readonly installSnapshot: SnapshotMeta | null;
}

/** Durable state of one replica. Any rejected promise means the disk can no longer be trusted: the process must end (exit 74). */
export interface Storage {
  /** Opens and verifies everything. Called once. */
  open(): Promise<Recovered>;
  /** Durably reserves a replica id in an empty store and answers the one that is reserved (the earlier one wins). */
  reserveReplica(replica: ReplicaId): Promise<ReplicaId>;
  /** Marks an empty store as a member of a cluster, durably. Throws where an identity exists. */
  initialise(identity: Identity, conf: ConfState): Promise<void>;
  /** One synced batch. The caller never has two in flight (concurrent LevelDB batches commit out of order). */
  persist(batch: PersistBatch): Promise<void>;
  /** Saves a snapshot of the local state machine and makes it current by one pointer flip; then drops log up to `compactTo`. Answers the meta with true size and checksum. */
  saveSnapshot(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>, compactTo: Index): Promise<SnapshotMeta>;
  /** Takes a snapshot from a peer; stored aside until `persist({installSnapshot})` makes it current. Resumable by offset. */
  receiveSnapshot(meta: SnapshotMeta): Promise<SnapshotSink>;
  /** Bytes of the current snapshot, verified while read. */
  readSnapshot(meta: SnapshotMeta, offsetBytes?: number): AsyncIterable<Uint8Array>;
  /** Free bytes of the file system that holds the store. */
  freeBytes(): Promise<number>;
  close(): Promise<void>;
}

export interface SnapshotSink {
  /** Bytes already held from an interrupted transfer. */
  readonly offsetBytes: number;
  write(chunk: Uint8Array): Promise<void>;
  /** Verifies size and checksum. Rejects, and forgets the bytes, where they are wrong. */
  finish(): Promise<void>;
}

export interface PeerAddress {
  readonly replica: ReplicaId;
  readonly host: string;
  readonly port: number;
}

export interface TransportHandlers {
  onMessage(from: ReplicaId, message: Message): void;
  onLinkUp(peer: ReplicaId): void;
  /** `reset`: the peer's kernel refused or reset the connection: its process is gone. */
  onLinkDown(peer: ReplicaId, reset: boolean): void;
  /** A peer streams a snapshot. Resolves when it is stored and verified; rejects to refuse it. */
  onSnapshot(inbound: InboundSnapshot): Promise<void>;
}

export interface InboundSnapshot {
  readonly from: ReplicaId;
  readonly term: Term;
  readonly meta: SnapshotMeta;
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Must be called before `chunks` is read: bytes that are here already. */
  readonly resumeAt: (offsetBytes: number) => void;
}

/** Authenticated message passing between replicas. Sends never block and never queue without bound: what does not fit is dropped. */
export interface Transport {
  start(handlers: TransportHandlers): Promise<void>;
  /**
   * Replaces the address book. Connections to replicas that are no longer in it are closed, those of `confIndex` and before
   * for good: it is the log index of the membership that the book was made from.
   */
  setPeers(peers: readonly PeerAddress[], confIndex?: Index): void;
  /** False where the message was dropped and surely never left. */
  send(to: ReplicaId, message: Message, lane: Lane): boolean;
  sendSnapshot(
    to: ReplicaId,
    term: Term,
    meta: SnapshotMeta,
    read: (offsetBytes: number) => AsyncIterable<Uint8Array>,
  ): Promise<void>;
  close(): Promise<void>;
}

/** What a command did, as its proposer will be told. Any msgpack-able value; errors are values, apply never throws. */
export type ApplyResult = unknown;

/** The replicated state machine. Everything is synchronous and deterministic; a throw ends the process. */
export interface StateMachine {
  /** Applies committed entries in order; one result each (undefined for noop). */
  apply(entries: readonly Entry[]): readonly ApplyResult[];
  /** Hex digest of the whole state; equal at equal index on every replica. */
  digest(): string;
  /** Captures the state now; `chunks` may be read later, in slices, while new entries are applied. */
  capture(): { readonly sizeBytes: number; readonly digest: string; readonly chunks: AsyncIterable<Uint8Array> };
  /** Takes its time; the state is the former one until, at the end, it is replaced in one step: it may be read meanwhile. */
  restore(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>): Promise<void>;
}

/** The only source of time for driver and transport: real in `system.ts`, virtual in a simulator. */
export interface Clock {
  /** Monotonic milliseconds, fractions allowed. */
  nowMs(): number;
  /** Wall clock, whole milliseconds since the epoch. Used to stamp entries, never to measure. */
  wallMs(): number;
  /** Calls `run` once, at `atMs` or later. */
  setTimer(atMs: number, run: () => void): TimerHandle;
  /** Calls `run` after the I/O that is ready now has been read. */
  immediate(run: () => void): void;
}

export interface TimerHandle {
  cancel(): void;
}

/** The only source of randomness for driver and transport. */
export interface Random {
  /** Uniform in [0, bound), bound ≤ 2^48. */
  integer(bound: number): number;
  bytes(lengthBytes: number): Uint8Array;
}

/** The part of a logger that raft uses; pino has this shape. */
export interface RaftLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Where measurements go. Every member is optional; the caller maps them to its metrics library. */
export interface RaftMetrics {
  /** Duration of one synced batch. */
  readonly fsyncSeconds?: (seconds: number) => void;
  /** From proposal at this node to its application at this node. */
  readonly commitSeconds?: (seconds: number) => void;
  readonly applySliceSeconds?: (seconds: number) => void;
  readonly persistEntries?: (count: number) => void;
  readonly leaderChange?: () => void;
  readonly stallMs?: (gapMs: number) => void;
  /** Heartbeats of the leader, or answers of a follower, that were due and did not come before the next one that did. */
  readonly heartbeatsMissed?: (count: number) => void;
  /** A message that did not fit or had no connection. */
  readonly messageDropped?: (lane: Lane, reason: 'no-link' | 'full') => void;
  /** A connection that was refused or broken off, by code. */
  readonly connectionRefused?: (code: string) => void;
  readonly snapshotSaved?: (seconds: number, sizeBytes: number) => void;
  readonly snapshotTransferred?: (direction: 'in' | 'out', ok: boolean) => void;
}
