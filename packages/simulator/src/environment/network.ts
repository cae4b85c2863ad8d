/**
 * The network between processes: who reaches whom, how long it takes, what gets lost. Two characters, chosen by the seed:
 * `stream` (TCP: in order per lane, nothing lost but with the connection) and `datagram` (lost, doubled, out of order:
 * nothing that TCP does, everything that Raft must survive).
 */
import type { Lane, Message } from '@flotilla/raft/internals';
import type { TransportHandlers } from '@flotilla/raft';
import type { NodeLoop } from '../engine/node-loop.ts';
import type { SimRandom } from '../engine/random.ts';
import type { Trace } from '../engine/trace.ts';
import type { World } from '../engine/world.ts';

export interface NetworkOptions {
  readonly character: 'stream' | 'datagram';
  readonly delayMinMs: number;
  readonly delayMeanMs: number;
  /** datagram only. */
  readonly lossRatio: number;
  readonly doubleRatio: number;
  /** What one path carries. */
  readonly bytesPerMs: number;
  /** Silence after which a connection counts as broken. */
  readonly silenceMs: number;
  readonly reconnectMs: number;
}

/** One process's end of the network. */
export interface Endpoint {
  readonly replica: string;
  readonly loop: NodeLoop;
  /** Null where nobody listens. */
  readonly handlers: TransportHandlers | null;
  /** Is this peer in its address book? */
  knows(peer: string): boolean;
  receive(from: string, bytes: Buffer): void;
  linkUp(peer: string): void;
  linkDown(peer: string, reset: boolean): void;
}

export interface NetworkListener {
  onDoubled(): void;
  onLost(): void;
}

/** What a connection holds back before its sender drops messages. */
const QUEUE_MAX_BYTES = 4 * 1024 * 1024;

interface Link {
  up: boolean;
  /** Rises with every connection: what was sent on an earlier one is lost. */
  epoch: number;
}

export class SimNetwork {
  readonly options: NetworkOptions;
  readonly #world: World;
  readonly #random: SimRandom;
  readonly #trace: Trace;
  readonly #listener: NetworkListener;
  readonly #transports = new Map<string, Endpoint>();
  readonly #blocked = new Set<string>();
  readonly #clogged = new Map<string, number>();
  readonly #links = new Map<string, Link>();
  /** When a path and lane has carried all that was put on it. */
  readonly #busyUntilMs = new Map<string, number>();
  /** Where order is kept: when the last message of a path and lane arrives. */
  readonly #lastArrivalMs = new Map<string, number>();
  #calm = false;

  constructor(
    options: NetworkOptions,
    world: World,
    parts: { readonly random: SimRandom; readonly trace: Trace; readonly listener: NetworkListener },
  ) {
    this.options = options;
    this.#world = world;
    this.#random = parts.random;
    this.#trace = parts.trace;
    this.#listener = parts.listener;
  }

  attach(transport: Endpoint): void {
    this.#transports.set(transport.replica, transport);
    for (const peer of this.#transports.keys()) this.#reconnect(transport.replica, peer);
  }

  /** The process is gone; whoever can hear it is told by its kernel. */
  detach(transport: Endpoint): void {
    if (this.#transports.get(transport.replica) !== transport) return;
    this.#transports.delete(transport.replica);
    for (const peer of [...this.#transports.keys()]) {
      if (this.#link(transport.replica, peer).up) this.#break(transport.replica, peer, true);
    }
  }

  after(delayMs: number, run: () => void): void {
    this.#world.after(delayMs, run);
  }

  transport(replica: string): Endpoint | undefined {
    return this.#transports.get(replica);
  }

  get replicas(): string[] {
    return [...this.#transports.keys()].sort();
  }

  /** Cuts the path in this direction. */
  block(from: string, to: string): void {
    this.#blocked.add(`${from}>${to}`);
    const { epoch } = this.#link(from, to);
    this.#world.after(this.options.silenceMs, () => {
      const now = this.#link(from, to);
      if (now.up && now.epoch === epoch && this.#isCut(from, to)) this.#break(from, to, false);
    });
  }

  /** From now on nothing gets lost or doubled by chance. */
  calm(): void {
    this.#calm = true;
  }

  /** Everything flows again. */
  heal(): void {
    this.#blocked.clear();
    this.#clogged.clear();
    const all = this.replicas;
    for (const a of all) for (const b of all) if (a < b) this.#reconnect(a, b);
  }

  /** What is sent on this path arrives after `untilMs` only. */
  clog(from: string, to: string, untilMs: number): void {
    this.#clogged.set(`${from}>${to}`, untilMs);
  }

  /** The connection is reset, and made again a little later. */
  reset(a: string, b: string): boolean {
    if (!this.#link(a, b).up) return false;
    this.#break(a, b, true);
    return true;
  }

  isUp(from: string, to: string): boolean {
    return this.#link(from, to).up;
  }

  isBlocked(from: string, to: string): boolean {
    return this.#blocked.has(`${from}>${to}`);
  }

  epoch(from: string, to: string): number {
    return this.#link(from, to).epoch;
  }

  /** False where too much waits on this path already. */
  hasRoom(from: string, to: string, lane: Lane): boolean {
    const backlogMs = (this.#busyUntilMs.get(`${from}>${to}/${lane}`) ?? 0) - this.#world.nowMs;
    return backlogMs * this.options.bytesPerMs < QUEUE_MAX_BYTES;
  }

  /** Carries one encoded message. */
  carry(from: string, to: string, lane: Lane, frame: { readonly bytes: Buffer; readonly message: Message }): void {
    const { message, bytes } = frame;
    const { character, lossRatio, doubleRatio } = this.options;
    const wild = character === 'datagram' && !this.#calm;
    const lost = this.isBlocked(from, to) || (wild && this.#random.chance(lossRatio));
    this.#trace.line(lost ? 'lose' : 'send', `${from}>${to}`, `${message.type} ${message.term} ${bytes.length}`);
    if (lost) {
      this.#listener.onLost();
      return;
    }
    // A transport may lose, but never doubles a request of a client: the proposal it holds is not idempotent.
    const mayDouble = message.type !== 'forward' && message.type !== 'forward-conf';
    const copies = wild && mayDouble && this.#random.chance(doubleRatio) ? 2 : 1;
    if (copies === 2) this.#listener.onDoubled();
    const { epoch } = this.#link(from, to);
    for (let copy = 0; copy < copies; copy += 1) {
      const delayMs = this.delayMs(from, to, lane, bytes.length) * (copy === 0 ? 1 : this.#random.between(1, 20));
      this.#world.after(delayMs, () => {
        if (character === 'stream' && this.#link(from, to).epoch !== epoch) return;
        this.#transports.get(to)?.receive(from, bytes);
      });
    }
  }

  /** Latency, clogging, the path's capacity, and in `stream` the order of its lane. */
  delayMs(from: string, to: string, lane: string, bytes: number): number {
    const { character, delayMinMs, delayMeanMs, bytesPerMs } = this.options;
    const nowMs = this.#world.nowMs;
    let arrivesMs = nowMs + delayMinMs + this.#random.exponential(delayMeanMs);
    arrivesMs = Math.max(arrivesMs, (this.#clogged.get(`${from}>${to}`) ?? 0) + this.#random.between(0, 1));
    const path = `${from}>${to}/${lane}`;
    const freeMs = Math.max(nowMs, this.#busyUntilMs.get(path) ?? 0);
    const carriedMs = freeMs + bytes / bytesPerMs;
    this.#busyUntilMs.set(path, carriedMs);
    arrivesMs = Math.max(arrivesMs, carriedMs + delayMinMs);
    if (character === 'stream' || lane === 'snapshot') {
      arrivesMs = Math.max(arrivesMs, this.#lastArrivalMs.get(path) ?? 0);
      this.#lastArrivalMs.set(path, arrivesMs);
    }
    return arrivesMs - nowMs;
  }

  /** A transport's address book changed. */
  refresh(transport: Endpoint): void {
    for (const peer of this.#transports.keys()) this.#reconnect(transport.replica, peer);
  }

  #isCut(a: string, b: string): boolean {
    return this.isBlocked(a, b) || this.isBlocked(b, a);
  }

  #link(a: string, b: string): Link {
    const key = a < b ? `${a}=${b}` : `${b}=${a}`;
    let link = this.#links.get(key);
    if (link === undefined) {
      link = { up: false, epoch: 0 };
      this.#links.set(key, link);
    }
    return link;
  }

  #break(a: string, b: string, reset: boolean): void {
    const link = this.#link(a, b);
    link.up = false;
    link.epoch += 1;
    // A reset only reaches whom the path still carries it to; the others find out by silence.
    this.#tellDown(a, b, reset && !this.isBlocked(b, a));
    this.#tellDown(b, a, reset && !this.isBlocked(a, b));
    this.#reconnect(a, b);
  }

  #tellDown(at: string, peer: string, reset: boolean): void {
    const { delayMinMs, silenceMs } = this.options;
    this.#world.after(reset ? delayMinMs : silenceMs * this.#random.fraction(), () =>
      this.#transports.get(at)?.linkDown(peer, reset),
    );
  }

  #reconnect(a: string, b: string): void {
    if (a === b) return;
    const { reconnectMs } = this.options;
    const { epoch } = this.#link(a, b);
    this.#world.after(reconnectMs * this.#random.between(0.5, 2), () => {
      const link = this.#link(a, b);
      const [first, second] = [this.#transports.get(a), this.#transports.get(b)];
      if (link.up || link.epoch !== epoch || first === undefined || second === undefined) return;
      if (this.#isCut(a, b) || !first.knows(b) || !second.knows(a)) return;
      link.up = true;
      link.epoch += 1;
      first.linkUp(b);
      second.linkUp(a);
    });
  }
}
