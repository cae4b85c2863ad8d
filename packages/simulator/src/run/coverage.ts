/**
 * What happened how often. A simulation that did not elect, cut off, install, change and lose proves nothing, so a run over
 * many seeds in which something never happened is invalid.
 */
import { FAULT_KINDS } from '../faults/kinds.ts';

const EVENT_KINDS = [
  'election',
  'entry committed',
  'truncation',
  'restart',
  'snapshot saved',
  'snapshot installed',
  'snapshot resumed',
  'membership changed',
  'joint membership',
  'leadership transferred',
  'message lost',
  'message doubled',
  'unsynced write lost',
  'store refused',
  'old backup restored',
  'node ended by its disk',
  'write answered',
  'read answered',
  'outcome unknown',
  'request refused',
  'retry answered from the session',
  'history checked',
  'control plane command',
  'node upgraded',
  'feature level raised',
  'newer command held back',
  'newer command taken',
  'older release not taken in',
  'figure 8 played',
  'candidacy lost',
] as const;

export class Coverage {
  readonly #counts = new Map<string, number>();

  add(kind: string, count = 1): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + count);
  }

  get(kind: string): number {
    return this.#counts.get(kind) ?? 0;
  }

  merge(other: Coverage): void {
    for (const [kind, count] of other.#counts) this.add(kind, count);
  }

  /** Every event and fault, with how often it happened. */
  table(): readonly (readonly [string, number])[] {
    const kinds = [...EVENT_KINDS, ...FAULT_KINDS.map((kind) => `fault: ${kind}`)];
    return kinds.map((kind) => [kind, this.get(kind)] as const);
  }

  /** What never happened. */
  missing(): string[] {
    return this.table()
      .filter(([, count]) => count === 0)
      .map(([kind]) => kind);
  }
}
