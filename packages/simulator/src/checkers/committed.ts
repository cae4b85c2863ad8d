/**
 * What the cluster has committed, as far as any replica ever applied it: index by index, for ever. Also the memberships that
 * were committed, since a quorum is always one of a membership.
 */
import { decodeConfEntry, EMPTY_CONF, EntryKind } from '@flotilla/raft';
import type { ConfState, Entry } from '@flotilla/raft';

export interface CommittedConf {
  /** In force from this entry on. */
  readonly index: number;
  readonly conf: ConfState;
}

export class Committed {
  /** Highest index applied anywhere. */
  highest = 0;
  readonly #terms = new Map<number, number>();
  readonly #chains = new Map<number, string>();
  readonly #knownIn = new Map<number, number>();
  readonly #confs: CommittedConf[];

  constructor(initial: ConfState) {
    this.#confs = [{ index: 0, conf: initial }];
  }

  termAt(index: number): number | undefined {
    return this.#terms.get(index);
  }

  chainAt(index: number): string | undefined {
    return this.#chains.get(index);
  }

  /** The entry was committed in this term or an earlier one. */
  committedBy(index: number): number {
    return this.#knownIn.get(index) ?? Infinity;
  }

  /** The first replica applied this entry, in this term of its own. */
  add(entry: Entry, chain: string, knownIn: number): void {
    this.#knownIn.set(entry.index, knownIn);
    this.#terms.set(entry.index, entry.term);
    this.#chains.set(entry.index, chain);
    this.highest = Math.max(this.highest, entry.index);
    if (entry.kind !== EntryKind.conf) return;
    const conf = decodeConfEntry(entry.data)?.conf ?? EMPTY_CONF;
    this.#confs.push({ index: entry.index, conf });
  }

  get newestConf(): ConfState {
    return this.#confs.at(-1)?.conf ?? EMPTY_CONF;
  }

  get confs(): readonly CommittedConf[] {
    return this.#confs;
  }

  confAt(index: number): ConfState {
    return this.#confs.findLast((known) => known.index <= index)?.conf ?? EMPTY_CONF;
  }

  /**
   * Memberships by which this entry may have been committed: a change is in force once applied, so a leader may commit a
   * few entries behind it by the membership before.
   */
  confsFor(index: number): ConfState[] {
    const at = this.#confs.findLastIndex((known) => known.index < index);
    return this.#confs.slice(Math.max(0, at - 1), at + 1).map(({ conf }) => conf);
  }
}

function hasMajority(ids: readonly string[], holds: (id: string) => boolean): boolean {
  return ids.length === 0 || ids.filter(holds).length * 2 > ids.length;
}

export function hasQuorum(conf: ConfState, holds: (id: string) => boolean): boolean {
  return hasMajority(conf.voters, holds) && hasMajority(conf.votersOutgoing, holds);
}

/** Two memberships in a row may differ by one voter, or one is the joint form of the other. */
export function followsSafely(before: ConfState, after: ConfState): boolean {
  const same = (a: readonly string[], b: readonly string[]): boolean => a.join() === b.join();
  if (before.votersOutgoing.length > 0) return after.votersOutgoing.length === 0 && same(before.voters, after.voters);
  if (after.votersOutgoing.length > 0) return same(after.votersOutgoing, before.voters);
  const gone = before.voters.filter((id) => !after.voters.includes(id)).length;
  const come = after.voters.filter((id) => !before.voters.includes(id)).length;
  return gone + come <= 1;
}
