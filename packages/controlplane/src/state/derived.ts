/** What follows from the tables and is kept beside them for speed. Never part of the digest; `rebuild.ts` makes it anew. */
import { BACKEND_SLOTS_MAX, hashPool } from '@flotilla/shared';

/** The backend that has a slot. */
export interface SlotOwner {
  /** `pool/id`. */
  readonly key: string;
  readonly pool: string;
  readonly id: string;
  readonly poolHash: number;
}

export function slotOwner(pool: string, id: string): SlotOwner {
  return { key: `${pool}/${id}`, pool, id, poolHash: hashPool(pool) };
}

export interface Derived {
  /** 1 per slot in use, and per slot that rests. */
  usedSlots: Uint8Array;
  /** By slot. */
  slotOwners: (SlotOwner | undefined)[];
  /** Nodes whose observations count for verdicts. */
  voters: ReadonlySet<string>;
  /** Voters and isolated nodes: those whose observations are compared to find isolated ones. */
  participants: ReadonlySet<string>;
  /** By node: backends that it alone sees down while another sees them up. */
  readonly disputed: Map<string, number>;
  /** By node: backends that it observes. */
  readonly observed: Map<string, number>;
  /** Backends (`pool/id`) whose verdict can change by the passing of time alone. */
  readonly timed: Set<string>;
}

export function emptyDerived(): Derived {
  return {
    usedSlots: new Uint8Array(BACKEND_SLOTS_MAX),
    slotOwners: [],
    voters: new Set(),
    participants: new Set(),
    disputed: new Map(),
    observed: new Map(),
    timed: new Set(),
  };
}
