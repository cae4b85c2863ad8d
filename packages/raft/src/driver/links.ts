/**
 * Which peers are connected, and whether they and we are a majority: tells "no leader yet" from "no majority".
 */
import type { ConfState, ReplicaId } from '../core/types.ts';

export class Links {
  readonly #self: ReplicaId;
  readonly #up = new Set<ReplicaId>();

  constructor(self: ReplicaId) {
    this.#self = self;
  }

  up(peer: ReplicaId): void {
    this.#up.add(peer);
  }

  down(peer: ReplicaId): void {
    this.#up.delete(peer);
  }

  has(peer: ReplicaId): boolean {
    return this.#up.has(peer);
  }

  list(): ReplicaId[] {
    return [...this.#up].sort();
  }

  /** Each half of the membership has a majority among us and the peers that are connected. */
  reachesQuorum(conf: ConfState): boolean {
    return this.#majority(conf.voters) && (conf.votersOutgoing.length === 0 || this.#majority(conf.votersOutgoing));
  }

  #majority(voters: readonly ReplicaId[]): boolean {
    const reached = voters.filter((voter) => voter === this.#self || this.#up.has(voter)).length;
    return reached > voters.length / 2;
  }
}
