/**
 * The network between the nodes of a test: each node is reached through a relay of ours, so that links can be cut, slowed
 * and silenced without root. A relay reads from the first bytes who dials, and keeps one rule for each direction of each
 * pair of nodes. A silenced direction holds bytes back, also those of connections under way, and passes them on when it
 * heals, as TCP does after a partition.
 */
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';

/** `hold`: what is sent does not arrive for now. `refuse`: connections break and new ones are reset. */
export type LinkRule =
  | { readonly kind: 'pass' }
  | { readonly kind: 'delay'; readonly delayMs: number }
  | { readonly kind: 'hold' }
  | { readonly kind: 'refuse' };

const PASS: LinkRule = { kind: 'pass' };
/** More than this is not read from the sender: it feels the pressure, as on a real link. */
const HELD_MAX_BYTES = 4 * 1024 * 1024;
/** A handshake names its sender as `name#incarnation`, first. */
const SENDER = /([a-z0-9][a-z0-9-]*)#[0-9a-f]{4}/;

export interface RelayTarget {
  readonly id: string;
  readonly port: number;
}

export class Network {
  readonly #servers = new Map<string, Server>();
  readonly #rules = new Map<string, LinkRule>();
  readonly #links = new Set<Link>();

  /** Opens one relay for each target, at `ports` in the same order. */
  static async open(targets: readonly RelayTarget[], ports: readonly number[]): Promise<Network> {
    const network = new Network();
    await Promise.all(targets.map((target, at) => network.#listen(target, ports[at] ?? 0)));
    return network;
  }

  #listen(target: RelayTarget, port: number): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const link = new Link(socket, target, (from, to) => this.rule(from, to));
      this.#links.add(link);
      link.onOver = () => this.#links.delete(link);
    });
    this.#servers.set(target.id, server);
    return new Promise((settle, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', settle);
    });
  }

  rule(from: string, to: string): LinkRule {
    return this.#rules.get(`${from}>${to}`) ?? PASS;
  }

  /** For bytes from `from` to `to`, whoever dialled. */
  set(from: string, to: string, rule: LinkRule): void {
    this.#rules.set(`${from}>${to}`, rule);
    for (const link of this.#links) link.changed();
  }

  /** Nothing passes between the two groups, in either direction. */
  partition(side: readonly string[], other: readonly string[], rule: LinkRule = { kind: 'hold' }): void {
    for (const a of side) {
      for (const b of other) {
        this.set(a, b, rule);
        this.set(b, a, rule);
      }
    }
  }

  /** Everything passes again. */
  heal(): void {
    this.#rules.clear();
    for (const link of this.#links) link.changed();
  }

  /** Breaks all connections between two nodes; they may connect again at once. */
  reset(a: string, b: string): void {
    for (const link of this.#links) if (link.joins(a, b)) link.reset();
  }

  async close(): Promise<void> {
    for (const link of this.#links) link.reset();
    await Promise.all([...this.#servers.values()].map((server) => new Promise((settle) => server.close(settle))));
  }
}

/** One connection from a dialling node to the target. */
class Link {
  readonly #client: Socket;
  readonly #target: RelayTarget;
  readonly #ruleOf: (from: string, to: string) => LinkRule;
  readonly #forward: Flow;
  #backward: Flow | null = null;
  #server: Socket | null = null;
  #from = '';
  onOver: () => void = () => undefined;

  constructor(client: Socket, target: RelayTarget, ruleOf: (from: string, to: string) => LinkRule) {
    this.#client = client;
    this.#target = target;
    this.#ruleOf = ruleOf;
    this.#forward = new Flow(client, () => (this.#from === '' ? { kind: 'hold' } : ruleOf(this.#from, target.id)));
    this.#forward.onFirst = (bytes) => this.#identify(bytes);
    client.once('close', () => this.#closed());
  }

  joins(a: string, b: string): boolean {
    return (this.#from === a && this.#target.id === b) || (this.#from === b && this.#target.id === a);
  }

  changed(): void {
    if (this.#isRefused()) return this.reset();
    this.#dial();
    this.#forward.pump();
    this.#backward?.pump();
  }

  reset(): void {
    this.#client.resetAndDestroy();
    this.#server?.resetAndDestroy();
  }

  #closed(): void {
    if (this.#client.destroyed && this.#server?.destroyed !== false) this.onOver();
  }

  #isRefused(): boolean {
    const { id } = this.#target;
    return this.#ruleOf(this.#from, id).kind === 'refuse' || this.#ruleOf(id, this.#from).kind === 'refuse';
  }

  #identify(bytes: Buffer): void {
    // Whoever does not say is a stranger of that name: garbage reaches the target as it is.
    this.#from = SENDER.exec(bytes.toString('latin1'))?.[1] ?? 'stranger';
    this.changed();
  }

  /** Only when the first bytes may pass: a silenced target does not even see the connection. */
  #dial(): void {
    if (this.#server !== null || this.#from === '' || this.#client.destroyed) return;
    if (this.#ruleOf(this.#from, this.#target.id).kind === 'hold') return;
    const server = connect({ host: '127.0.0.1', port: this.#target.port, allowHalfOpen: true, noDelay: true });
    this.#server = server;
    server.once('close', () => this.#closed());
    server.once('connect', () => this.#forward.open(server));
    this.#backward = new Flow(server, () => this.#ruleOf(this.#target.id, this.#from));
    this.#backward.open(this.#client);
  }
}

/** Bytes of one direction, in order, held and delayed as the rule of the moment says. */
class Flow {
  readonly #source: Socket;
  readonly #rule: () => LinkRule;
  #sink: Socket | null = null;
  #held: { readonly bytes: Buffer; readonly dueMs: number }[] = [];
  #heldBytes = 0;
  #end: 'end' | 'reset' | null = null;
  #timer: NodeJS.Timeout | null = null;
  onFirst: ((bytes: Buffer) => void) | null = null;

  constructor(source: Socket, rule: () => LinkRule) {
    this.#source = source;
    this.#rule = rule;
    source.on('data', (bytes: Buffer) => this.#take(bytes));
    source.once('end', () => this.#finish('end'));
    source.on('error', () => this.#finish('reset'));
  }

  open(sink: Socket): void {
    this.#sink = sink;
    sink.on('drain', () => this.#source.resume());
    this.pump();
  }

  pump(): void {
    const sink = this.#sink;
    const rule = this.#rule();
    if (sink === null || rule.kind === 'hold' || sink.destroyed) return;
    const nowMs = performance.now();
    for (;;) {
      const [first] = this.#held;
      if (first === undefined || first.dueMs > nowMs) break;
      this.#held.shift();
      this.#heldBytes -= first.bytes.length;
      if (!sink.write(first.bytes)) this.#source.pause();
      else if (this.#heldBytes < HELD_MAX_BYTES) this.#source.resume();
    }
    const [next] = this.#held;
    if (next !== undefined) this.#later(next.dueMs - nowMs);
    else if (this.#end === 'end') sink.end();
    else if (this.#end === 'reset') sink.resetAndDestroy();
  }

  #take(bytes: Buffer): void {
    // Before the rule is asked for: it depends on who speaks.
    this.onFirst?.(bytes);
    this.onFirst = null;
    const rule = this.#rule();
    const delayMs = rule.kind === 'delay' ? rule.delayMs : 0;
    this.#held.push({ bytes, dueMs: performance.now() + delayMs });
    this.#heldBytes += bytes.length;
    if (this.#heldBytes >= HELD_MAX_BYTES) this.#source.pause();
    this.pump();
  }

  #finish(end: 'end' | 'reset'): void {
    this.#end ??= end;
    this.pump();
  }

  #later(ms: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.pump(), Math.max(1, ms));
  }
}
