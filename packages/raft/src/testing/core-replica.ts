/**
 * One replica of a test cluster: its core, what its disk holds, and what the host still has to do. Passive; the cluster
 * moves it.
 */
import type { Effect } from '../core/effects.ts';
import type { RaftCore, RecoveredState } from '../core/port.ts';
import type { ConfState, Entry, Index, ReplicaId, SnapshotMeta, Term } from '../core/types.ts';

export type Persist = Extract<Effect, { type: 'persist' }>;

interface DiskState extends RecoveredState {
  readonly entries: readonly Entry[];
}

/** What the disk of a replica holds. */
export class Disk {
  state: DiskState;

  constructor(state: RecoveredState) {
    this.state = { ...state, entries: [...state.entries] };
  }

  get lastIndex(): Index {
    return this.state.firstIndex + this.state.entries.length - 1;
  }

  termAt(index: Index): Term | undefined {
    if (index === this.state.snapshot?.index) return this.state.snapshot.term;
    return this.state.entries[index - this.state.firstIndex]?.term;
  }

  write(effect: Persist): void {
    let { entries, firstIndex, snapshot } = this.state;
    const { installSnapshot, truncateFrom, append } = effect;
    if (installSnapshot !== null) {
      snapshot = installSnapshot;
      firstIndex = installSnapshot.index + 1;
      entries = [];
    }
    if (truncateFrom !== null) entries = entries.slice(0, Math.max(0, truncateFrom - firstIndex));
    this.state = { ...this.state, hard: effect.hard, snapshot, firstIndex, entries: [...entries, ...append] };
  }

  saveSnapshot(meta: SnapshotMeta, compactTo: Index): void {
    const { entries, firstIndex, snapshot } = this.state;
    // A newer one from the leader got here first.
    if (snapshot !== null && snapshot.index >= meta.index) return;
    const first = Math.max(firstIndex, Math.min(compactTo, meta.index + 1));
    this.state = { ...this.state, snapshot: meta, firstIndex: first, entries: entries.slice(first - firstIndex) };
  }
}

export class Replica {
  readonly id: ReplicaId;
  readonly disk: Disk;
  /** As the disk will be once all writes are done. */
  planned: Disk;
  core: RaftCore;
  up = true;
  writes: Persist[] = [];
  /** Handed over, not applied yet. */
  backlog: (readonly Entry[] | SnapshotMeta)[] = [];
  applied: Index = 0;
  digest = '0';
  confs: { readonly index: Index; readonly conf: ConfState }[] = [];
  wakeAtMs = 0;

  constructor(id: ReplicaId, disk: Disk, core: RaftCore) {
    this.id = id;
    this.disk = disk;
    this.planned = new Disk(disk.state);
    this.core = core;
  }

  /** Membership at an index that was handed over. */
  confAt(index: Index): ConfState {
    return this.confs.findLast((known) => known.index <= index)?.conf ?? this.disk.state.conf;
  }
}

export function emptyState(conf: ConfState): RecoveredState {
  return { hard: { term: 0, vote: null, commit: 0 }, snapshot: null, entries: [], firstIndex: 1, conf };
}

export function votersOnly(voters: readonly ReplicaId[]): ConfState {
  return { voters, votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
}

/** Chain over everything applied: equal digests mean equal histories. */
export function chain(digest: string, entry: Entry): string {
  let hash = 0x811c9dc5;
  for (const char of `${digest}/${entry.index}/${entry.kind}/${entry.origin}/${entry.seq}/${entry.data.join()}`) {
    hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193) >>> 0;
  }
  return hash.toString(16).padStart(8, '0');
}
