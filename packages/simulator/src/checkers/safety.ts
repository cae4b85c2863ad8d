/**
 * The safety properties of Raft (figure 3 of the paper) and the promises of this implementation, checked at each event that
 * could break them. Looks at disks, messages and applied entries only, never into the core.
 */
import type { ConfState, Entry } from '@flotilla/raft';
import type { Message, Operation } from '@flotilla/raft/internals';
import type { LedgerCommand } from '../cluster/ledger.ts';
import { Committed, followsSafely, hasQuorum } from './committed.ts';
import { DiskImage } from './disk-image.ts';
import type { DurableEntry } from './disk-image.ts';
import type { Violations } from './violations.ts';

/** What a process may say of itself. */
export interface ProcessStatus {
  readonly term: number;
  readonly commit: number;
  readonly applied: number;
  readonly lastIndex: number;
  readonly pendingReads: number;
  readonly pendingProposals: number;
  readonly uncommittedBytes: number;
}

export interface SafetyLimits {
  readonly maxPendingReads: number;
  readonly maxPendingProposals: number;
  readonly maxUncommittedBytes: number;
}

interface Known {
  readonly image: DiskImage;
  /** Of the process that runs now. */
  applied: number;
  status: ProcessStatus | null;
}

export class SafetyChecks {
  readonly committed: Committed;
  readonly #violations: Violations;
  readonly #limits: SafetyLimits;
  readonly #replicas = new Map<string, Known>();
  readonly #leaders = new Map<number, string>();
  /** Every entry that ever was durable anywhere, by index and term. */
  readonly #entries = new Map<string, DurableEntry>();
  readonly #commands = new Map<string, number>();
  /** Told by a replica before the entry itself was seen. */
  readonly #toldConfs = new Map<number, string>();

  constructor(violations: Violations, initial: ConfState, limits: SafetyLimits) {
    this.#violations = violations;
    this.#limits = limits;
    this.committed = new Committed(initial);
  }

  image(replica: string): DiskImage {
    return this.#known(replica).image;
  }

  /** Log Matching, and hard state that never goes back. True where a conflicting tail was cut off. */
  durable(replica: string, operations: readonly Operation[]): boolean {
    const { image } = this.#known(replica);
    const before = image.hard;
    const beforeSnapshot = image.snapshotIndex;
    const lastTerm = image.entry(before.lastIndex)?.term;
    const fresh = image.take(operations);
    const { hard } = image;
    this.#demand(hard.term >= before.term, 'durable term', () => `${replica}: ${before.term} became ${hard.term}`);
    const kept = hard.term > before.term || before.vote === '' || hard.vote === before.vote;
    this.#demand(kept, 'one vote per term', () => `${replica}: ${before.vote} became ${hard.vote} in ${hard.term}`);
    this.#demand(
      image.snapshotIndex <= this.committed.highest,
      'snapshots hold only what is committed',
      () => `${replica}: snapshot ${image.snapshotIndex}, committed ${this.committed.highest}`,
    );
    if (image.snapshotIndex !== beforeSnapshot) this.#matchSnapshot(replica, image);
    for (const entry of fresh) this.#matchEntry(replica, entry);
    const covered = image.snapshotIndex >= before.lastIndex;
    return lastTerm !== undefined && !covered && image.entry(before.lastIndex)?.term !== lastTerm;
  }

  /** Whoever begins with it knows no other membership: it is that of its index, whatever was changed since. */
  #matchSnapshot(replica: string, { snapshotIndex, snapshotConf }: DiskImage): void {
    const told = JSON.stringify(snapshotConf);
    const expected = JSON.stringify(this.committed.confAt(snapshotIndex));
    const text = (): string => `${replica}, snapshot ${snapshotIndex}: ${told}, not ${expected}`;
    this.#demand(told === expected, 'membership of a snapshot', text);
  }

  #matchEntry(replica: string, entry: DurableEntry): void {
    const key = `${entry.index}@${entry.term}`;
    const known = this.#entries.get(key);
    if (known === undefined) this.#entries.set(key, entry);
    const same = known === undefined || (known.sum === entry.sum && known.prevTerm === entry.prevTerm);
    this.#demand(same, 'log matching', () => `${replica}: entry ${key} is not what another disk holds there`);
    const term = this.committed.termAt(entry.index);
    const hard = this.#known(replica).image.hard;
    const fits = term === undefined || term === entry.term || hard.commit < entry.index;
    this.#demand(fits, 'committed entries stay', () => `${replica}: ${key} where term ${term} is committed`);
  }

  /** Election Safety, Leader Completeness. */
  role(replica: string, change: { readonly role: string; readonly term: number }): boolean {
    if (change.role !== 'leader') return false;
    const { term } = change;
    const before = this.#leaders.get(term);
    const alone = before === undefined || before === replica;
    this.#demand(alone, 'election safety', () => `${before} and ${replica} both lead term ${term}`);
    if (before === replica) return false;
    this.#leaders.set(term, replica);
    const { image } = this.#known(replica);
    for (let index = image.snapshotIndex + 1; index <= this.committed.highest; index += 1) {
      // A replica that was paused may learn late that it won an old term; it need not have what later terms committed.
      if (this.committed.committedBy(index) >= term) continue;
      const expected = this.committed.termAt(index);
      const has = expected === undefined || image.entry(index)?.term === expected;
      this.#demand(
        has,
        'leader completeness',
        () => `${replica} leads term ${term} without entry ${index}@${expected}`,
      );
    }
    return true;
  }

  /** State Machine Safety; and a quorum of disks holds whatever anyone applies. */
  applied(replica: string, entry: Entry, chain: string): void {
    const known = this.#known(replica);
    const { index, term } = entry;
    this.#demand(index === known.applied + 1, 'applied in order', () => `${replica}: ${index} after ${known.applied}`);
    known.applied = index;
    const before = this.committed.chainAt(index);
    if (before !== undefined) {
      const text = (): string => `${replica} at ${index}@${term}: chain ${chain}, others ${before}`;
      this.#demand(before === chain, 'state machine safety', text);
      return;
    }
    const confs = this.committed.confsFor(index);
    const holds = (id: string): boolean => this.#known(id).image.holds(index, term);
    const held = confs.some((conf) => hasQuorum(conf, holds));
    const holders = (): string => [...this.#replicas.keys()].filter(holds).join();
    this.#demand(
      held,
      'committed is durable on a quorum',
      () => `${replica} applies ${index}@${term}, held by ${holders()}`,
    );
    const previous = this.committed.newestConf;
    this.committed.add(entry, chain, known.image.hard.term);
    if (entry.kind === 1) this.#confCommitted(index, previous);
  }

  #confCommitted(index: number, previous: ConfState): void {
    const { newestConf } = this.committed;
    const text = (): string => `entry ${index}: ${JSON.stringify(previous)} to ${JSON.stringify(newestConf)}`;
    this.#demand(followsSafely(previous, newestConf), 'memberships overlap', text);
    const told = this.#toldConfs.get(index);
    this.#toldConfs.delete(index);
    this.#demand(told === undefined || told === JSON.stringify(newestConf), 'membership in force', text);
  }

  /** A replica says which membership is in force for it. */
  conf(replica: string, index: number, conf: ConfState): void {
    const told = JSON.stringify(conf);
    if (index > this.committed.highest) {
      this.#toldConfs.set(index, told);
      return;
    }
    const expected = JSON.stringify(this.committed.confAt(index));
    this.#demand(told === expected, 'membership in force', () => `${replica} at ${index}: ${told}, not ${expected}`);
  }

  restored(replica: string, index: number, chain: string): void {
    this.#known(replica).applied = index;
    const expected = this.committed.chainAt(index);
    const text = (): string => `${replica} restored ${index}: chain ${chain}, others ${expected}`;
    this.#demand(expected === chain, 'state machine safety', text);
  }

  /** Nothing is promised that is not on the promiser's disk. */
  sent(replica: string, to: string, message: Message): void {
    const { hard, lastIndex } = this.#known(replica).image;
    if (message.type === 'vote' && !message.pre) this.#votedFor(replica, replica, message.term);
    if (message.type === 'vote-response' && message.granted && !message.pre) this.#votedFor(replica, to, message.term);
    if (message.type === 'append-response' && !message.rejected) {
      // In a later term on disk the entries may have been replaced since; the promise was kept when it was made.
      const kept = hard.term > message.term || lastIndex >= message.index;
      const text = (): string => `${replica} acknowledges ${message.index}, its disk ends at ${lastIndex}`;
      this.#demand(kept, 'durable before visible', text);
      this.#demand(
        hard.term >= message.term,
        'durable before visible',
        () => `${replica} acknowledges in ${message.term}`,
      );
    }
  }

  #votedFor(replica: string, candidate: string, term: number): void {
    const { hard } = this.#known(replica).image;
    const kept = hard.term > term || (hard.term === term && hard.vote === candidate);
    const text = (): string => `${replica} votes for ${candidate} in ${term}; on disk: ${hard.vote} in ${hard.term}`;
    this.#demand(kept, 'durable before visible', text);
  }

  /** A session's command takes effect at one index, once, on every replica. */
  command(replica: string, entry: Entry, command: LedgerCommand, effective: boolean): void {
    if (!effective) return;
    const key = command.client === 0 ? `${entry.origin}/${entry.seq}` : `client ${command.client}/${command.seq}`;
    const before = this.#commands.get(key);
    if (before === undefined) this.#commands.set(key, entry.index);
    const once = before === undefined || before === entry.index;
    this.#demand(once, 'exactly once', () => `${replica}: ${key} took effect at ${before} and ${entry.index}`);
  }

  /** A linearizable read position is at or behind everything that was committed when it was asked for. */
  read(replica: string, asked: number, index: number): void {
    this.#demand(index >= asked, 'read index', () => `${replica} reads at ${index}, ${asked} was committed before`);
  }

  status(replica: string, status: ProcessStatus): void {
    const known = this.#known(replica);
    const before = known.status;
    known.status = status;
    const rises =
      before === null ||
      (status.term >= before.term && status.commit >= before.commit && status.applied >= before.applied);
    this.#demand(rises, 'term, commit and applied rise', () => `${replica}: ${text(before)} to ${text(status)}`);
    const ordered = status.applied <= status.commit && status.commit <= status.lastIndex;
    this.#demand(ordered, 'applied ≤ commit ≤ last', () => `${replica}: ${text(status)}`);
    const { maxPendingReads, maxPendingProposals, maxUncommittedBytes } = this.#limits;
    const bounded =
      status.pendingReads <= maxPendingReads &&
      status.pendingProposals <= maxPendingProposals &&
      status.uncommittedBytes <= maxUncommittedBytes;
    this.#demand(bounded, 'bounded memory', () => `${replica}: ${text(status)}`);
  }

  /** A new process on this disk: what it knew besides is gone. */
  started(replica: string): void {
    const known = this.#known(replica);
    known.applied = 0;
    known.status = null;
  }

  /** Its disk proves nothing any more, unless the store itself finds all of it in order. */
  diskLost(replica: string, lost: boolean): void {
    this.#known(replica).image.lost = lost;
  }

  #known(replica: string): Known {
    let known = this.#replicas.get(replica);
    if (known === undefined) {
      known = { image: new DiskImage(), applied: 0, status: null };
      this.#replicas.set(replica, known);
    }
    return known;
  }

  #demand(condition: boolean, checker: string, text: () => string): void {
    this.#violations.demand(condition, checker, text);
  }
}

function text(status: ProcessStatus | null): string {
  return JSON.stringify(status);
}
