/**
 * A cluster of bare cores for tests: no driver, no clock, no threads. Whoever holds it decides what happens next: which
 * message arrives, whose disk finishes a write, who crashes. Every effect is performed as `effects.ts` demands, and every
 * step is checked by core-checks.ts.
 */
import type { CoreConfig } from '../core/config.ts';
import { createCore } from '../core/raft.ts';
import type { Effect } from '../core/effects.ts';
import type { Event } from '../core/events.ts';
import type { Message } from '../core/messages.ts';
import type { RaftCore, RecoveredState } from '../core/port.ts';
import type { Index, ReplicaId, SnapshotMeta, Term } from '../core/types.ts';
import { ClusterChecks } from './core-checks.ts';
import { chain, Disk, Replica } from './core-replica.ts';

/** Something under way between two replicas. */
export interface Parcel {
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  readonly content: Message | { readonly type: 'snapshot'; readonly term: Term; readonly meta: SnapshotMeta };
}

export interface ReplicaOptions {
  readonly recovered: RecoveredState;
  readonly mayVote?: boolean;
  readonly seed: number;
}

export class CoreCluster {
  readonly replicas = new Map<ReplicaId, Replica>();
  readonly checks = new ClusterChecks();
  parcels: Parcel[] = [];
  nowMs = 0;
  /** Apply at once what is handed over; false leaves it to `apply`. */
  eager = true;
  /** Sees every step, in order: for traces. */
  onStep: (id: ReplicaId, event: Event, effects: readonly Effect[]) => void = () => {};
  readonly #config: Partial<CoreConfig>;

  constructor(config: Partial<CoreConfig> = {}) {
    this.#config = config;
  }

  get(id: ReplicaId): Replica {
    const replica = this.replicas.get(id);
    if (replica === undefined) throw new Error(`no replica ${id}`);
    return replica;
  }

  add(id: ReplicaId, options: ReplicaOptions): Replica {
    const disk = new Disk(options.recovered);
    const replica = new Replica(id, disk, this.#boot(id, disk, options));
    replica.applied = disk.state.snapshot?.index ?? 0;
    replica.digest = disk.state.snapshot?.digest ?? '0';
    this.replicas.set(id, replica);
    this.step(id, this.time());
    return replica;
  }

  #boot(id: ReplicaId, disk: Disk, { mayVote = true, seed }: Omit<ReplicaOptions, 'recovered'>): RaftCore {
    const { nowMs } = this;
    const clocks = { nowMs, wallMs: nowMs };
    return createCore({
      self: id,
      config: this.#config,
      seed,
      recovered: disk.state,
      mayVote,
      deepChecks: true,
      ...clocks,
    });
  }

  /** Loses everything that was not on disk. Of the writes under way, `done` got there, though nobody was told. */
  crash(id: ReplicaId, done = 0): void {
    const replica = this.get(id);
    for (const effect of replica.writes.slice(0, done)) if (effect.barrier !== true) replica.disk.write(effect);
    replica.up = false;
    replica.writes = [];
    replica.backlog = [];
    replica.planned = new Disk(replica.disk.state);
  }

  restart(id: ReplicaId, options: { readonly seed: number; readonly mayVote?: boolean }): void {
    const replica = this.get(id);
    replica.core = this.#boot(id, replica.disk, options);
    replica.up = true;
    replica.applied = replica.disk.state.snapshot?.index ?? 0;
    replica.digest = replica.disk.state.snapshot?.digest ?? '0';
    replica.confs = [];
    this.checks.restarted(replica);
    this.step(id, this.time());
  }

  time(): Event {
    return { type: 'time', nowMs: this.nowMs, wallMs: this.nowMs };
  }

  step(id: ReplicaId, event: Event): readonly Effect[] {
    const replica = this.get(id);
    const effects = replica.core.step(event);
    this.onStep(id, event, effects);
    for (const effect of effects) this.#perform(replica, effect);
    this.checks.afterStep(replica);
    return effects;
  }

  #perform(replica: Replica, effect: Effect): void {
    switch (effect.type) {
      case 'persist':
        this.checks.planned(replica, effect);
        replica.planned.write(effect);
        replica.writes.push(effect);
        return;
      case 'send':
        this.checks.sent(replica, effect.message, effect.to);
        this.parcels.push({ from: replica.id, to: effect.to, content: effect.message });
        return;
      case 'send-snapshot': {
        const content = { type: 'snapshot', term: effect.term, meta: effect.meta } as const;
        this.parcels.push({ from: replica.id, to: effect.to, content });
        return;
      }
      case 'apply':
        this.checks.handedOver(this.replicas, replica, effect.entries);
        replica.backlog.push([...effect.entries]);
        if (this.eager) this.apply(replica.id);
        return;
      case 'restore':
        replica.backlog.push(effect.meta);
        if (this.eager) this.apply(replica.id);
        return;
      case 'conf':
        replica.confs.push(effect);
        return;
      case 'wake-at':
        replica.wakeAtMs = effect.atMs;
        return;
      case 'halt':
        throw new Error(`${replica.id} halted: ${effect.reason}`);
      case 'read-ready':
        this.checks.readReady(replica, effect.seq, effect.index);
        return;
      case 'role':
        this.checks.roleTold(replica, effect);
        return;
      case 'proposed':
      case 'read-failed':
      case 'diverged':
        return;
    }
  }

  /** Finishes the oldest write of a replica. */
  write(id: ReplicaId): boolean {
    const replica = this.get(id);
    const effect = replica.writes.shift();
    if (effect === undefined) return false;
    if (effect.barrier !== true) replica.disk.write(effect);
    for (const released of effect.release) this.#perform(replica, released);
    this.step(id, { type: 'persisted', nowMs: this.nowMs, io: effect.io });
    return true;
  }

  /** Applies what was handed over to a replica first. */
  apply(id: ReplicaId): boolean {
    const replica = this.get(id);
    const next = replica.backlog.shift();
    if (next === undefined) return false;
    if ('conf' in next) {
      replica.digest = next.digest;
      replica.applied = next.index;
    } else {
      for (const entry of next) replica.digest = chain(replica.digest, entry);
      replica.applied = next.at(-1)?.index ?? replica.applied;
    }
    const { applied: index, digest } = replica;
    this.checks.applied(replica);
    this.step(id, { type: 'applied', nowMs: this.nowMs, wallMs: this.nowMs, index, digest });
    return true;
  }

  deliver(parcel: Parcel): void {
    const { from, to, content } = parcel;
    const target = this.replicas.get(to);
    const { nowMs } = this;
    if (target === undefined || !target.up) return this.lose(parcel);
    if (content.type !== 'snapshot') {
      this.step(to, { type: 'receive', nowMs, wallMs: nowMs, from, message: content });
      return;
    }
    const { term, meta } = content;
    this.step(to, { type: 'snapshot-received', nowMs, from, term, meta });
    this.#reportSnapshot(parcel, meta.index, true);
  }

  /** Messages get lost silently; a snapshot is a stream, so its sender learns it. */
  lose(parcel: Parcel): void {
    if (parcel.content.type === 'snapshot') this.#reportSnapshot(parcel, parcel.content.meta.index, false);
  }

  #reportSnapshot({ from, to }: Parcel, index: Index, ok: boolean): void {
    if (this.get(from).up) this.step(from, { type: 'snapshot-sent', nowMs: this.nowMs, to, index, ok });
  }

  /** Writes a snapshot of what a replica has applied, keeping `trailing` entries before it. */
  snapshot(id: ReplicaId, trailing: number): void {
    const replica = this.get(id);
    const { applied: index, digest } = replica;
    const term = replica.disk.termAt(index);
    if (term === undefined || index <= (replica.disk.state.snapshot?.index ?? 0)) return;
    const meta: SnapshotMeta = { index, term, conf: replica.confAt(index), digest, sizeBytes: digest.length };
    const compactTo = Math.max(1, index + 1 - trailing);
    replica.disk.saveSnapshot(meta, compactTo);
    replica.planned.saveSnapshot(meta, compactTo);
    this.step(id, { type: 'snapshot-saved', nowMs: this.nowMs, meta, compactTo });
  }

  /** Delivers and writes until nothing is under way. Time stands still. */
  settle(filter: (parcel: Parcel) => boolean = () => true): void {
    for (let rounds = 0; rounds < 10_000; rounds += 1) {
      const due = this.parcels.filter(filter);
      this.parcels = this.parcels.filter((parcel) => !due.includes(parcel));
      for (const parcel of due) this.deliver(parcel);
      let wrote = false;
      for (const [id, replica] of this.replicas) if (replica.up && this.write(id)) wrote = true;
      for (const [id, replica] of this.replicas) if (replica.up && this.apply(id)) wrote = true;
      if (due.length === 0 && !wrote) return;
    }
    throw new Error('the cluster does not settle');
  }

  /** Lets time pass to `toMs`, waking each replica when it asked for it. */
  wake(toMs: number): void {
    this.nowMs = toMs;
    for (const [id, replica] of this.replicas) if (replica.up && replica.wakeAtMs <= toMs) this.step(id, this.time());
  }
}
