/**
 * Authenticated message passing over TCP. Each node dials two connections to every peer and sends on those, one for
 * control and one for log data, so that bulk never delays a heartbeat; what peers send arrives on connections that they
 * dialled. Sending never blocks: what does not fit, or has no connection, is dropped and counted; raft sends it again.
 */
import { messageTag, readMessage, writeMessage } from '../codec/messages.ts';
import type { Lane } from '../core/effects.ts';
import type { AppendRequest, Message } from '../core/messages.ts';
import type { Index, ReplicaId, SnapshotMeta, Term } from '../core/types.ts';
import { entryBytes } from '../codec/entries.ts';
import { FormatError } from '../codec/bytes.ts';
import type { PeerAddress, RaftMetrics, TimerHandle, Transport, TransportHandlers } from '../driver/ports.ts';
import { silentLogger, systemClock, systemRandom } from '../driver/system.ts';
import type { Connection } from './connection.ts';
import { answerFormation, askFormation } from './formation-hello.ts';
import type { FormationState } from './formation-hello.ts';
import { FrameType, MESSAGE_TAG_MAX } from './framing.ts';
import { SESSION_BYTES } from './handshake.ts';
import type { Hello } from './handshake.ts';
import type { LocalIdentity } from './identity.ts';
import { Incoming } from './incoming.ts';
import { LaneDialer } from './lane-dialer.ts';
import * as limits from './limits.ts';
import type { RefusalCode, TcpTransportOptions, TransportTls } from './options.ts';
import { dialPeer } from './outgoing.ts';
import type { DialTarget } from './outgoing.ts';
import { Refusals } from './refusals.ts';
import { acceptSnapshot, streamSnapshot } from './snapshot-stream.ts';

interface Peer {
  readonly address: PeerAddress;
  readonly control: LaneDialer;
  readonly bulk: LaneDialer;
}

interface Accepted {
  readonly connection: Connection;
  readonly hello: Hello;
  readonly silenceMaxMs: number;
}

export class TcpTransport implements Transport {
  readonly #options: TcpTransportOptions;
  readonly #local: LocalIdentity;
  readonly #metrics: RaftMetrics;
  readonly #incoming: Incoming;
  readonly #peers = new Map<ReplicaId, Peer>();
  readonly #accepted = new Set<Accepted>();
  /** How to end each connection that was dialled for one purpose only. */
  readonly #errands = new Set<() => void>();
  #book: readonly PeerAddress[] = [];
  /** Members of a later membership than ours, and the index of that: see {@link TcpTransport.setPeers}. */
  readonly #guests = new Map<ReplicaId, { readonly address: PeerAddress; readonly confIndex: Index }>();
  #handlers: TransportHandlers | null = null;
  #formation: (() => FormationState) | null = null;
  #port = 0;
  #listening: Promise<void> | null = null;
  #watch: TimerHandle | null = null;
  #closed = false;

  constructor(options: TcpTransportOptions) {
    this.#options = options;
    this.#metrics = options.metrics ?? {};
    const clock = options.clock ?? systemClock;
    const random = options.random ?? systemRandom;
    this.#local = {
      clusterName: options.clusterName,
      clusterId: options.clusterId,
      replica: options.replica,
      reach: options.advertise ?? options.listen,
      confIndex: 0,
      secret: options.secret,
      session: Buffer.from(random.bytes(SESSION_BYTES)).toString('hex'),
      tls: options.tls,
      clock,
      random,
      refusals: new Refusals(options.logger ?? silentLogger, this.#metrics, clock.nowMs),
    };
    this.#incoming = new Incoming(this.#local, {
      admit: (hello) => this.#admit(hello),
      accepted: (connection, hello) => this.#take(connection, hello),
    });
  }

  /** Port that is listened on; known after `listen`. */
  get port(): number {
    return this.#port;
  }

  get replica(): ReplicaId {
    return this.#local.replica;
  }

  /** Everyone this node knows of, itself included. */
  get members(): readonly ReplicaId[] {
    return [this.#local.replica, ...this.#book.map((peer) => peer.replica)];
  }

  /** Listens, so that formation can be answered; `start` does it too. */
  listen(): Promise<void> {
    this.#listening ??= this.#incoming.listen(this.#options.listen.host, this.#options.listen.port).then((port) => {
      this.#port = port;
      if (this.#local.reach.port === 0) this.#local.reach = { ...this.#local.reach, port };
      this.#watchLater();
    });
    return this.#listening;
  }

  /** The cluster that this node belongs to is known now. */
  joined(clusterId: string): void {
    this.#local.clusterId = clusterId;
  }

  /** New certificates, for connections that are made from now on. Throws where they cannot be used; nothing changes then. */
  renewTls(tls: TransportTls): void {
    this.#incoming.renew(tls);
    this.#local.tls = tls;
  }

  /** What peers that look for a cluster are told. */
  answerFormation(state: () => FormationState): void {
    this.#formation = state;
  }

  async start(handlers: TransportHandlers): Promise<void> {
    await this.listen();
    this.#handlers = handlers;
    this.setPeers(this.#book);
  }

  setPeers(peers: readonly PeerAddress[], confIndex: Index = this.#local.confIndex): void {
    this.#local.confIndex = confIndex;
    for (const [replica, guest] of this.#guests) if (guest.confIndex <= confIndex) this.#guests.delete(replica);
    const known = new Set(peers.map((peer) => peer.replica));
    const guests = [...this.#guests.values()]
      .map(({ address }) => address)
      .filter(({ replica }) => !known.has(replica));
    this.#book = [...peers, ...guests].filter((peer) => peer.replica !== this.#local.replica);
    if (this.#handlers === null || this.#closed) return;
    const wanted = new Map(this.#book.map((peer) => [peer.replica, peer]));
    for (const [replica, { address }] of this.#peers) {
      const next = wanted.get(replica);
      if (!next || next.host !== address.host || next.port !== address.port) this.#drop(replica, next === undefined);
    }
    for (const peer of this.#book) if (!this.#peers.has(peer.replica)) this.#add(peer, this.#handlers);
  }

  send(to: ReplicaId, message: Message, lane: Lane): boolean {
    const peer = this.#peers.get(to);
    const connection = lane === 'control' ? peer?.control.connection : peer?.bulk.connection;
    if (!connection) {
      this.#metrics.messageDropped?.(lane, 'no-link');
      return false;
    }
    const size = message.type === 'append' ? appendBytes(message) : 0;
    const sent = connection.send(messageTag(message), (writer) => writeMessage(writer, message), size);
    if (!sent) this.#metrics.messageDropped?.(lane, 'full');
    return sent;
  }

  async sendSnapshot(
    to: ReplicaId,
    term: Term,
    meta: SnapshotMeta,
    read: (offsetBytes: number) => AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const address = this.#peers.get(to)?.address;
    if (!address) throw new Error(`no address of ${to}`);
    await this.#with({ ...address, channel: 'snapshot', expected: to }, (connection) => {
      connection.admit(limits.FRAME_CONTROL_MAX_BYTES, limits.QUEUE_BULK_MAX_BYTES);
      return streamSnapshot(connection, { term, meta, read }, this.#local.clock);
    });
  }

  /** Asks whoever listens there about its cluster, and tells about ours. */
  askFormation(host: string, port: number, own: FormationState): Promise<FormationState> {
    return this.#with({ host, port, channel: 'formation', expected: '' }, (connection) => {
      connection.admit(limits.FRAME_CONTROL_MAX_BYTES, limits.FRAME_CONTROL_MAX_BYTES);
      return askFormation(connection, own, this.#local.clock);
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch?.cancel();
    for (const replica of [...this.#peers.keys()]) this.#drop(replica, false);
    for (const cancel of [...this.#errands]) cancel();
    const closing = this.#incoming.close();
    for (const { connection } of [...this.#accepted]) connection.end();
    for (const { connection } of [...this.#accepted]) connection.socket.destroy();
    await closing;
  }

  /** Dials for one errand and closes afterwards, or when the transport closes. */
  async #with<T>(target: DialTarget, run: (connection: Connection) => Promise<T>): Promise<T> {
    const { result, cancel } = dialPeer(this.#local, target);
    let end = cancel;
    const errand = (): void => end();
    this.#errands.add(errand);
    try {
      const { connection } = await result;
      end = () => connection.close('local');
      try {
        return await run(connection);
      } finally {
        connection.end();
      }
    } finally {
      this.#errands.delete(errand);
    }
  }

  #add(address: PeerAddress, handlers: TransportHandlers): void {
    const local = this.#local;
    const control = new LaneDialer({
      local,
      peer: address,
      channel: 'control',
      maxFrameBytes: limits.FRAME_CONTROL_MAX_BYTES,
      maxQueueBytes: limits.QUEUE_CONTROL_MAX_BYTES,
      onUp: () => handlers.onLinkUp(address.replica),
      onDown: (reset) => handlers.onLinkDown(address.replica, reset),
    });
    const bulk = new LaneDialer({
      local,
      peer: address,
      channel: 'bulk',
      maxFrameBytes: limits.FRAME_BULK_MAX_BYTES,
      maxQueueBytes: limits.QUEUE_BULK_MAX_BYTES,
      onUp: () => undefined,
      onDown: () => undefined,
    });
    this.#peers.set(address.replica, { address, control, bulk });
    control.start();
    bulk.start();
  }

  #drop(replica: ReplicaId, withAccepted: boolean): void {
    const peer = this.#peers.get(replica);
    if (!peer) return;
    this.#peers.delete(replica);
    const wasUp = peer.control.connection !== null;
    peer.control.close();
    peer.bulk.close();
    if (wasUp && !this.#closed) this.#handlers?.onLinkDown(replica, false);
    if (!withAccepted) return;
    for (const accepted of [...this.#accepted]) if (accepted.hello.from === replica) accepted.connection.end();
  }

  #admit(hello: Hello): RefusalCode | null {
    if (this.#closed) return 'BUSY';
    if (hello.channel === 'formation') return this.#formation === null ? 'BUSY' : null;
    if (this.#handlers === null || this.#local.clusterId === '') return 'BUSY';
    if (hello.clusterId !== this.#local.clusterId) return 'WRONG_CLUSTER';
    if (!this.#book.some((peer) => peer.replica === hello.from) && !this.#takeIn(hello)) return 'NOT_MEMBER';
    return this.#ownIdentity(hello) ? null : 'IDENTITY_IN_USE';
  }

  /**
   * A replica that we do not know, but that has proved to be of this cluster and knows of a later membership than we do: it
   * may be the leader by that membership, and the only one who can tell us of it. One that was removed knows of no later
   * one. (Raft's messages may come from anyone: §4.2.2 of the thesis.)
   */
  #takeIn({ from, confIndex, host, port }: Hello): boolean {
    if (confIndex <= this.#local.confIndex || port === 0 || this.#guests.size >= limits.GUESTS_MAX_COUNT) return false;
    this.#guests.set(from, { address: { replica: from, host, port }, confIndex });
    this.setPeers(this.#book);
    return true;
  }

  /** False while another process with this identity is surely alive; connections of one that is not are closed. */
  #ownIdentity(hello: Hello): boolean {
    const nowMs = this.#local.clock.nowMs();
    const others = [...this.#accepted].filter(
      (accepted) => accepted.hello.from === hello.from && accepted.hello.session !== hello.session,
    );
    if (others.some(({ connection }) => nowMs - connection.heardMs < limits.IDENTITY_HELD_MS)) return false;
    for (const { connection } of others) connection.close('local');
    return true;
  }

  #take(connection: Connection, hello: Hello): void {
    const { from, channel } = hello;
    const snapshot = channel === 'snapshot';
    const silenceMaxMs = snapshot ? limits.SILENCE_SNAPSHOT_MAX_MS : limits.SILENCE_MAX_MS;
    const accepted = { connection, hello, silenceMaxMs };
    this.#accepted.add(accepted);
    const control = channel === 'control' || channel === 'formation';
    connection.admit(
      control ? limits.FRAME_CONTROL_MAX_BYTES : limits.FRAME_BULK_MAX_BYTES,
      limits.FRAME_CONTROL_MAX_BYTES,
    );
    if (channel === 'formation') answerFormation(connection, () => this.#formation?.() ?? null);
    else if (snapshot) acceptSnapshot(connection, from, this.#handlers as TransportHandlers);
    else this.#receive(connection, from);
    const { onFrame, onClosed } = connection.handlers;
    connection.handlers = {
      onFrame,
      onClosed: (cause) => {
        this.#accepted.delete(accepted);
        if (cause === 'protocol') this.#local.refusals.note('PROTOCOL', 'in', { peer: from });
        onClosed(cause);
      },
    };
    const peer = this.#peers.get(from);
    peer?.control.poke();
    peer?.bulk.poke();
  }

  #receive(connection: Connection, from: ReplicaId): void {
    connection.handlers = {
      onFrame: (type, payload) => {
        if (type === FrameType.ping) connection.send(FrameType.pong, () => undefined);
        else if (type <= MESSAGE_TAG_MAX) this.#handlers?.onMessage(from, readMessage(type, payload));
        else throw new FormatError(`frame ${type} on a message lane`);
      },
      onClosed: () => undefined,
    };
  }

  #watchLater(): void {
    const { clock } = this.#local;
    const dueMs = clock.nowMs() + limits.WATCH_EVERY_MS;
    this.#watch = clock.setTimer(dueMs, () => {
      // After a stall of our own, what peers said meanwhile is read before they are called silent.
      clock.immediate(() => {
        if (this.#closed) return;
        this.#look(clock.nowMs());
        this.#watchLater();
      });
    });
  }

  #look(nowMs: number): void {
    for (const { control, bulk } of this.#peers.values()) {
      control.watch(nowMs);
      bulk.watch(nowMs);
    }
    for (const { connection, silenceMaxMs } of [...this.#accepted]) {
      if (nowMs - connection.heardMs > silenceMaxMs) connection.close('silent');
    }
  }
}

function appendBytes(message: AppendRequest): number {
  let bytes = 0;
  for (const entry of message.entries) bytes += entryBytes(entry);
  return bytes;
}
