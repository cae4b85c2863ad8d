/**
 * Which peers are connected, and whether they and we are a majority: tells "no leader yet" from "no majority". Counts the
 * heartbeats, and answers to heartbeats, that did not come in their time.
 */
import type { Message } from '../core/messages.ts';
import type { ConfState, ReplicaId } from '../core/types.ts';

export interface HeartbeatWatch {
  readonly everyMs: number;
  readonly missed: ((count: number) => void) | undefined;
}

export class Links {
  readonly #self: ReplicaId;
  readonly #heartbeats: HeartbeatWatch;
  readonly #up = new Set<ReplicaId>();
  /** When each connected peer last sent one. */
  readonly #beatMs = new Map<ReplicaId, number>();

  constructor(self: ReplicaId, heartbeats: HeartbeatWatch) {
    this.#self = self;
    this.#heartbeats = heartbeats;
  }

  up(peer: ReplicaId): void {
    this.#up.add(peer);
  }

  down(peer: ReplicaId): void {
    this.#up.delete(peer);
    this.#beatMs.delete(peer);
  }

  /** A gap of three intervals is two heartbeats missed. Who ceased to be leader or follower is not missed: only gaps count. */
  heard(peer: ReplicaId, message: Message, nowMs: number): void {
    if (message.type !== 'heartbeat' && message.type !== 'heartbeat-response') return;
    const beforeMs = this.#beatMs.get(peer) ?? nowMs;
    this.#beatMs.set(peer, nowMs);
    const missed = Math.round((nowMs - beforeMs) / this.#heartbeats.everyMs) - 1;
    if (missed > 0) this.#heartbeats.missed?.(missed);
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
