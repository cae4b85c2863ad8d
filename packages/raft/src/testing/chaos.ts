/**
 * Chaos for a cluster of cores: a seed decides which messages are lost, repeated and reordered, who crashes with unwritten
 * data, who stalls, and which membership changes, snapshots and transfers happen meanwhile. Afterwards everything is
 * healed and the cluster has to come together again. Small and fast; the simulator does the same to the whole product.
 */
import { Random } from '../core/random.ts';
import type { ConfChange, ReplicaId } from '../core/types.ts';
import { CoreCluster } from './core-cluster.ts';
import { emptyState, votersOnly } from './core-replica.ts';

export interface ChaosOptions {
  readonly seed: number;
  readonly stepCount: number;
  readonly membership: boolean;
}

const DATA = new Uint8Array([7]);
const HEAL_LIMIT_MS = 30_000;
const OPS = ['add-voter', 'add-voter', 'add-learner', 'remove'] as const;

export class Chaos {
  readonly cluster: CoreCluster;
  readonly #random: Random;
  readonly #options: ChaosOptions;
  readonly #lossPercent: number;
  readonly #crashPercent: number;
  #seq = 0;
  /** Replicas on the other side of a partition. */
  #cut = new Set<ReplicaId>();

  constructor(options: ChaosOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.cluster = new CoreCluster({ maxAppendBytes: 300, maxInflightBytes: 900, maxInflightMessages: 4 });
    this.cluster.eager = this.#below(2) === 0;
    this.#lossPercent = this.#below(20);
    this.#crashPercent = this.#below(3);
    const ids = ['a', 'b', 'c', 'd', 'e'].slice(0, 3 + this.#below(3));
    for (const id of ids) this.#add(id, ids);
  }

  #below(limit: number): number {
    return this.#random.nextUint32() % limit;
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : items[this.#below(items.length)];
  }

  #add(id: ReplicaId, voters: readonly ReplicaId[]): void {
    this.cluster.add(id, { recovered: emptyState(votersOnly(voters)), seed: this.#random.nextUint32() });
  }

  #ids(up: boolean): ReplicaId[] {
    return [...this.cluster.replicas.values()].filter((replica) => replica.up === up).map((replica) => replica.id);
  }

  run(): void {
    for (let step = 0; step < this.#options.stepCount; step += 1) this.#act();
    this.#heal();
  }

  #act(): void {
    if (this.#options.membership && this.#below(40) === 0) return this.#changeMembership();
    const dice = this.#below(100);
    if (dice < 45) return this.#several(() => this.#deliver());
    if (dice < 65) return this.#several(() => this.#write());
    if (dice < 72) return this.#several(() => this.#apply());
    if (dice < 84) return this.cluster.wake(this.cluster.nowMs + this.#below(80));
    if (dice < 91) return this.#propose();
    if (dice < 94) return this.#read();
    if (dice < 97) return this.#disturb();
    this.#administer();
  }

  #several(act: () => void): void {
    for (let left = this.#below(6); left >= 0; left -= 1) act();
  }

  #deliver(): void {
    const { parcels } = this.cluster;
    if (parcels.length === 0) return;
    const at = this.#below(Math.min(parcels.length, 12));
    const parcel = parcels[at];
    if (parcel === undefined) return;
    const fate = this.#below(100);
    const repeated = fate >= 95;
    if (!repeated) parcels.splice(at, 1);
    const separated = this.#cut.has(parcel.from) !== this.#cut.has(parcel.to);
    if (separated || fate < this.#lossPercent) this.cluster.lose(parcel);
    else this.cluster.deliver(parcel);
  }

  #write(): void {
    const id = this.#pick(this.#ids(true));
    if (id !== undefined) this.cluster.write(id);
  }

  #apply(): void {
    const id = this.#pick(this.#ids(true));
    if (id !== undefined) this.cluster.apply(id);
  }

  #propose(): void {
    const id = this.#pick(this.#ids(true));
    if (id === undefined) return;
    const proposals = Array.from({ length: 1 + this.#below(6) }, () => ({ seq: (this.#seq += 1), data: DATA }));
    const { nowMs } = this.cluster;
    this.cluster.step(id, { type: 'propose', nowMs, wallMs: nowMs, proposals });
  }

  #read(): void {
    const id = this.#pick(this.#ids(true));
    if (id === undefined) return;
    this.#seq += 1;
    this.cluster.checks.readAsked(this.cluster.get(id), this.#seq);
    this.cluster.step(id, { type: 'read-index', nowMs: this.cluster.nowMs, seq: this.#seq });
  }

  #disturb(): void {
    const { cluster } = this;
    const { nowMs } = cluster;
    const id = this.#pick(this.#ids(true));
    const peer = this.#pick([...cluster.replicas.keys()]);
    if (id === undefined || peer === undefined) return;
    const dice = this.#below(6);
    if (dice === 0 && this.#below(3) < this.#crashPercent) {
      cluster.crash(id, this.#below(cluster.get(id).writes.length + 1));
    } else if (dice === 1) {
      const down = this.#pick(this.#ids(false));
      if (down !== undefined) cluster.restart(down, { seed: this.#random.nextUint32() });
    } else if (dice === 2) {
      cluster.step(id, { type: 'stall', nowMs, gapMs: this.#below(1000) });
    } else if (dice === 3 && peer !== id) {
      cluster.step(id, { type: 'link-down', nowMs, peer, reset: this.#below(2) === 0 });
    } else if (dice === 4 && peer !== id) {
      cluster.step(id, { type: 'link-up', nowMs, peer });
    } else if (dice === 5) {
      this.#cut = new Set([...cluster.replicas.keys()].filter(() => this.#below(3) === 0));
    }
  }

  #administer(): void {
    const { cluster } = this;
    const { nowMs } = cluster;
    const id = this.#pick(this.#ids(true));
    if (id === undefined) return;
    const dice = this.#below(5);
    if (dice < 3) cluster.snapshot(id, this.#below(8));
    else if (dice === 3) cluster.step(id, { type: 'transfer', nowMs, wallMs: nowMs, to: null });
    else cluster.step(id, { type: 'disk', nowMs, stalled: this.#below(2) === 0, full: false });
  }

  #changeMembership(): void {
    const { cluster } = this;
    const { nowMs } = cluster;
    const up = this.#ids(true);
    const id = up.find((each) => cluster.get(each).core.status().role === 'leader') ?? this.#pick(up);
    if (id === undefined) return;
    const steps = Array.from({ length: 1 + this.#below(3) }, () => {
      const known = this.#pick([...cluster.replicas.keys()]) ?? id;
      const fresh = `n${cluster.replicas.size}`;
      const isNew = this.#below(4) === 0 && cluster.replicas.size < 7;
      if (isNew) this.#add(fresh, []);
      return { op: this.#pick(OPS) ?? 'remove', id: isNew ? fresh : known };
    });
    const change: ConfChange = { steps, context: DATA };
    cluster.step(id, { type: 'propose-conf', nowMs, wallMs: nowMs, seq: (this.#seq += 1), change });
  }

  /** Faults end. Now a leader must be found and everyone must catch up. */
  #heal(): void {
    const { cluster } = this;
    this.#cut = new Set();
    for (const id of this.#ids(false)) cluster.restart(id, { seed: this.#random.nextUint32() });
    for (const id of cluster.replicas.keys()) {
      const { nowMs } = cluster;
      cluster.step(id, { type: 'disk', nowMs, stalled: false, full: false });
      for (const peer of cluster.replicas.keys()) {
        if (peer !== id) cluster.step(id, { type: 'link-up', nowMs, peer });
      }
    }
    const endMs = cluster.nowMs + HEAL_LIMIT_MS;
    while (cluster.nowMs < endMs && !this.#isWhole()) {
      cluster.wake(cluster.nowMs + 10);
      cluster.settle();
    }
    if (!this.#isWhole()) throw new Error(`seed ${this.#options.seed}: the healed cluster does not come together`);
  }

  #isWhole(): boolean {
    const { replicas } = this.cluster;
    const leader = [...replicas.values()].find((replica) => {
      const status = replica.core.status();
      return status.role === 'leader' && status.commit === status.lastIndex && !status.confPending;
    });
    if (leader === undefined) return false;
    const { conf } = leader.core.status();
    const members = [...conf.voters, ...conf.learners];
    return members.every((id) => {
      const member = replicas.get(id);
      return member?.applied === leader.applied && member.digest === leader.digest;
    });
  }
}
