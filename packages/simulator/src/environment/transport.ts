/**
 * One process's end of the simulated network, behind raft's own port: production frames and codec, simulated carriage.
 */
import type { Message, Lane } from '@flotilla/raft/internals';
import { ByteWriter, FrameReader, messageTag, readMessage, writeFrame, writeMessage } from '@flotilla/raft/internals';
import type { PeerAddress, SnapshotMeta, Transport, TransportHandlers } from '@flotilla/raft';
import type { NodeLoop } from '../engine/node-loop.ts';
import type { Endpoint, SimNetwork } from './network.ts';
import { streamSnapshot } from './snapshot-path.ts';
import type { SnapshotStreams } from './snapshot-path.ts';

const FRAME_MAX_BYTES = 64 * 1024 * 1024;

export interface TransportOptions {
  readonly replica: string;
  readonly network: SimNetwork;
  readonly loop: NodeLoop;
  readonly streams: SnapshotStreams;
  /** Every message that leaves, before it does. */
  readonly onSend: (to: string, message: Message) => void;
  readonly onBadFrame: (error: unknown) => void;
}

export class SimTransport implements Transport, Endpoint {
  readonly replica: string;
  readonly loop: NodeLoop;
  handlers: TransportHandlers | null = null;
  readonly #options: TransportOptions;
  #book = new Set<string>();
  readonly #up = new Set<string>();

  constructor(options: TransportOptions) {
    this.#options = options;
    this.replica = options.replica;
    this.loop = options.loop;
  }

  start(handlers: TransportHandlers): Promise<void> {
    this.handlers = handlers;
    this.#options.network.attach(this);
    return Promise.resolve();
  }

  setPeers(peers: readonly PeerAddress[]): void {
    this.#book = new Set(peers.map((peer) => peer.replica));
    if (this.handlers !== null) this.#options.network.refresh(this);
  }

  knows(peer: string): boolean {
    return this.#book.has(peer);
  }

  send(to: string, message: Message, lane: Lane): boolean {
    const { network, onSend } = this.#options;
    onSend(to, message);
    if (!this.#up.has(to) || !network.hasRoom(this.replica, to, lane)) return false;
    const writer = new ByteWriter(256);
    writeFrame(writer, messageTag(message), (body) => writeMessage(body, message));
    network.carry(this.replica, to, lane, { bytes: Buffer.from(writer.done()), message });
    return true;
  }

  sendSnapshot(
    to: string,
    term: number,
    meta: SnapshotMeta,
    read: (offsetBytes: number) => AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const { network, streams } = this.#options;
    return streamSnapshot({ network, streams, from: this, to, term, meta, read });
  }

  close(): Promise<void> {
    this.gone();
    return Promise.resolve();
  }

  /** The process ends, in whatever way. */
  gone(): void {
    this.handlers = null;
    this.#options.streams.endOf(this.replica);
    this.#options.network.detach(this);
  }

  receive(from: string, bytes: Buffer): void {
    this.loop.io(() => {
      const { handlers } = this;
      if (handlers === null || !this.#book.has(from)) return;
      try {
        new FrameReader(FRAME_MAX_BYTES).push(bytes, (type, payload) => {
          handlers.onMessage(from, readMessage(type, payload));
          return true;
        });
      } catch (error) {
        this.#options.onBadFrame(error);
      }
    });
  }

  linkUp(peer: string): void {
    this.#up.add(peer);
    this.loop.io(() => this.handlers?.onLinkUp(peer));
  }

  linkDown(peer: string, reset: boolean): void {
    // It may be up again by now, on a newer connection.
    if (!this.#up.has(peer) || this.#options.network.isUp(this.replica, peer)) return;
    this.#up.delete(peer);
    this.loop.io(() => this.handlers?.onLinkDown(peer, reset));
  }
}
