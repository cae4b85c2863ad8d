/**
 * A network in memory: messages arrive one `immediate` later, in order per pair. Links can be cut in one direction or
 * both, and a node can be taken off as if its process had died. No delays or losses of its own: see the simulator.
 */
import type { Lane } from '../core/effects.ts';
import type { Message } from '../core/messages.ts';
import type { ReplicaId, SnapshotMeta, Term } from '../core/types.ts';
import type { Clock, PeerAddress, Transport, TransportHandlers } from '../driver/ports.ts';
import { systemClock } from '../driver/system.ts';

export class MemoryNetwork {
  readonly clock: Clock;
  readonly #nodes = new Map<ReplicaId, MemoryTransport>();
  readonly #cut = new Set<string>();

  constructor(clock: Clock = systemClock) {
    this.clock = clock;
  }

  /** Messages from one to the other are lost from now on; in one direction only. */
  cut(from: ReplicaId, to: ReplicaId): void {
    this.#cut.add(`${from}>${to}`);
  }

  heal(): void {
    this.#cut.clear();
  }

  attach(node: MemoryTransport): void {
    this.#nodes.set(node.replica, node);
    this.#announce();
  }

  detach(node: MemoryTransport): void {
    if (this.#nodes.get(node.replica) !== node) return;
    this.#nodes.delete(node.replica);
    for (const other of this.#nodes.values()) other.lost(node.replica);
  }

  /** The node that listens for this replica, if messages from `from` reach it. */
  route(from: ReplicaId, to: ReplicaId): MemoryTransport | null {
    return this.#cut.has(`${from}>${to}`) ? null : (this.#nodes.get(to) ?? null);
  }

  /** Tells everybody about everybody that is in both address books. */
  #announce(): void {
    for (const node of this.#nodes.values()) node.greet();
  }
}

export class MemoryTransport implements Transport {
  readonly replica: ReplicaId;
  readonly #network: MemoryNetwork;
  #handlers: TransportHandlers | null = null;
  #book = new Set<ReplicaId>();
  readonly #up = new Set<ReplicaId>();

  constructor(network: MemoryNetwork, replica: ReplicaId) {
    this.#network = network;
    this.replica = replica;
  }

  start(handlers: TransportHandlers): Promise<void> {
    this.#handlers = handlers;
    this.#network.attach(this);
    return Promise.resolve();
  }

  setPeers(peers: readonly PeerAddress[]): void {
    this.#book = new Set(peers.map((peer) => peer.replica));
    for (const peer of this.#up) if (!this.#book.has(peer)) this.#down(peer, false);
    this.greet();
  }

  greet(): void {
    for (const peer of this.#book) {
      if (!this.#handlers || this.#up.has(peer) || !this.#network.route(this.replica, peer)) continue;
      this.#up.add(peer);
      this.#later(() => this.#handlers?.onLinkUp(peer));
    }
  }

  lost(peer: ReplicaId): void {
    this.#down(peer, true);
  }

  send(to: ReplicaId, message: Message, _lane: Lane): boolean {
    const target = this.#book.has(to) ? this.#network.route(this.replica, to) : null;
    if (target) this.#later(() => target.#receive(this.replica, message));
    return this.#up.has(to);
  }

  async sendSnapshot(
    to: ReplicaId,
    term: Term,
    meta: SnapshotMeta,
    read: (offsetBytes: number) => AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const target = this.#network.route(this.replica, to);
    const handlers = target === null ? null : target.#handlers;
    if (!handlers) throw new Error(`${to} cannot be reached`);
    let resumeAt: (offsetBytes: number) => void = () => undefined;
    const offset = new Promise<number>((resolve) => {
      resumeAt = resolve;
    });
    async function* chunks(): AsyncGenerator<Uint8Array> {
      yield* read(await offset);
    }
    await handlers.onSnapshot({ from: this.replica, term, meta, chunks: chunks(), resumeAt });
  }

  close(): Promise<void> {
    this.#handlers = null;
    this.#network.detach(this);
    return Promise.resolve();
  }

  #receive(from: ReplicaId, message: Message): void {
    if (this.#book.has(from)) this.#handlers?.onMessage(from, message);
  }

  #down(peer: ReplicaId, reset: boolean): void {
    if (!this.#up.delete(peer)) return;
    this.#later(() => this.#handlers?.onLinkDown(peer, reset));
  }

  #later(run: () => void): void {
    this.#network.clock.immediate(run);
  }
}
