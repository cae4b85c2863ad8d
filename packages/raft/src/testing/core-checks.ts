/**
 * The safety properties of Raft (figure 3 of the paper), checked from outside: only effects and disks are looked at, never
 * the core's own state. Each is checked when something happens that could break it.
 */
import type { Effect } from '../core/effects.ts';
import type { Message } from '../core/messages.ts';
import type { Entry, Index, ReplicaId, Role, Term } from '../core/types.ts';
import type { Replica } from './core-replica.ts';

class SafetyViolation extends Error {
  override readonly name = 'SafetyViolation';
}

function demand(condition: boolean, what: string): void {
  if (!condition) throw new SafetyViolation(what);
}

export class ClusterChecks {
  /** What happened how often: a run that exercised nothing proves nothing. */
  readonly counts = { elections: 0, committed: 0, truncations: 0, installs: 0, confChanges: 0, reads: 0, restarts: 0 };
  /** Highest index that any replica has handed over. */
  highestCommitted: Index = 0;
  /** Membership changed at some time: the first configuration no longer tells how many disks make a quorum. */
  confChanged = false;
  readonly #leaders = new Map<Term, ReplicaId>();
  readonly #entries = new Map<string, string>();
  readonly #committed = new Map<Index, Entry>();
  readonly #digests = new Map<Index, string>();
  readonly #reads = new Map<string, Index>();
  readonly #last = new Map<ReplicaId, { term: Term; commit: Index }>();

  /** Election Safety, Leader Completeness. */
  roleTold(replica: Replica, told: { readonly role: Role; readonly term: Term }): void {
    if (told.role !== 'leader') return;
    const known = this.#leaders.get(told.term);
    demand(known === undefined || known === replica.id, `two leaders in term ${told.term}: ${known}, ${replica.id}`);
    if (known !== undefined) return;
    this.#leaders.set(told.term, replica.id);
    this.counts.elections += 1;
    for (const [index, entry] of this.#committed) {
      const covered = index <= (replica.planned.state.snapshot?.index ?? 0);
      const has = covered || replica.planned.termAt(index) === entry.term;
      demand(has, `leader ${replica.id} of term ${told.term} lacks committed entry ${index}`);
    }
  }

  /** Log Matching: an entry's place and term tell its content and its predecessor. */
  planned(replica: Replica, effect: Extract<Effect, { type: 'persist' }>): void {
    if (effect.truncateFrom !== null) this.counts.truncations += 1;
    if (effect.installSnapshot !== null) this.counts.installs += 1;
    const first = effect.append[0];
    let prevTerm: Term | undefined;
    if (first !== undefined) {
      prevTerm = effect.installSnapshot?.term ?? replica.planned.termAt(first.index - 1);
      const last = effect.truncateFrom === null ? replica.planned.lastIndex : effect.truncateFrom - 1;
      const hole = effect.installSnapshot === null && first.index !== last + 1;
      demand(!hole, `${replica.id} appends ${first.index} after ${last}`);
    }
    for (const entry of effect.append) {
      // What lies before may be compacted away; then there is nothing to compare.
      if (prevTerm === undefined && entry.index > 1) {
        prevTerm = entry.term;
        continue;
      }
      const known = `${entry.kind}/${entry.origin}/${entry.seq}/${entry.data.join()} after ${prevTerm ?? 0}`;
      const key = `${entry.index}@${entry.term}`;
      const before = this.#entries.get(key);
      demand(before === undefined || before === known, `entry ${key} is both ${before} and ${known}`);
      this.#entries.set(key, known);
      prevTerm = entry.term;
    }
  }

  /** Nothing is promised that is not on the promiser's disk. */
  sent(replica: Replica, message: Message, to: ReplicaId): void {
    const { hard, snapshot } = replica.disk.state;
    if (message.type === 'vote' && !message.pre) {
      const kept = hard.term === message.term && hard.vote === replica.id;
      demand(kept, `${replica.id} campaigns in term ${message.term} before its own vote is on disk`);
    }
    if (message.type === 'vote-response' && message.granted && !message.pre) {
      const kept = hard.term === message.term && hard.vote === to;
      demand(kept, `${replica.id} votes for ${to} in term ${message.term} before that is on disk`);
    }
    if (message.type === 'append-response' && !message.rejected) {
      const held = message.index <= Math.max(replica.disk.lastIndex, snapshot?.index ?? 0);
      demand(held, `${replica.id} acknowledges ${message.index} before it is on disk`);
    }
  }

  /** State Machine Safety: the same entry at the same index, everywhere; and a quorum of disks holds it. */
  handedOver(replicas: ReadonlyMap<ReplicaId, Replica>, replica: Replica, entries: Iterable<Entry>): void {
    for (const entry of entries) {
      const known = this.#committed.get(entry.index);
      if (known !== undefined) {
        const same = known.term === entry.term && known.seq === entry.seq && known.origin === entry.origin;
        demand(same, `${replica.id} applies another entry at ${entry.index} than others did`);
        continue;
      }
      this.#committed.set(entry.index, entry);
      this.counts.committed += 1;
      if (entry.kind === 1) {
        this.counts.confChanges += 1;
        this.confChanged = true;
      }
      this.highestCommitted = Math.max(this.highestCommitted, entry.index);
      if (!this.confChanged) demand(onQuorum(replicas, replica, entry), `${entry.index} is not on a quorum of disks`);
    }
  }

  applied(replica: Replica): void {
    const known = this.#digests.get(replica.applied);
    demand(known === undefined || known === replica.digest, `${replica.id} diverges at ${replica.applied}`);
    this.#digests.set(replica.applied, replica.digest);
  }

  readAsked(replica: Replica, seq: number): void {
    this.#reads.set(`${replica.id}/${seq}`, this.highestCommitted);
  }

  /** Linearizability: a read sees everything that was committed before it was asked. */
  readReady(replica: Replica, seq: number, index: Index): void {
    const floor = this.#reads.get(`${replica.id}/${seq}`);
    if (floor === undefined) return;
    this.counts.reads += 1;
    demand(index >= floor, `${replica.id} reads at ${index} what was committed up to ${floor}`);
  }

  restarted(replica: Replica): void {
    this.counts.restarts += 1;
    this.#last.delete(replica.id);
  }

  /** Terms and commit indexes never fall while a replica lives. */
  afterStep(replica: Replica): void {
    const { term, commit } = replica.core.status();
    const last = this.#last.get(replica.id);
    demand(last === undefined || (term >= last.term && commit >= last.commit), `${replica.id} goes back`);
    this.#last.set(replica.id, { term, commit });
  }
}

function onQuorum(replicas: ReadonlyMap<ReplicaId, Replica>, replica: Replica, entry: Entry): boolean {
  const { voters } = replica.confAt(entry.index);
  const holders = voters.filter((id) => replicas.get(id)?.disk.termAt(entry.index) === entry.term);
  return holders.length > voters.length / 2;
}
