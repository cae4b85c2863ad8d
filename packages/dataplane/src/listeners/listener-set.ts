/**
 * The listeners of one proxy thread, made to follow a table: what stays is never touched, what is new is bound, what is gone
 * stops accepting and finishes what it has.
 */
import type { ListenerTable, RoutingTable } from '../config/table.ts';
import { DRAIN_CLOSE_IDLE_RATIO, REMOVED_LISTENER_DEADLINE_MS } from './limits.ts';
import { StreamListener } from './stream-listener.ts';
import type { ListenerEnvironment } from './stream-listener.ts';
import { UdpListener } from './udp-listener.ts';

type Listener = StreamListener | UdpListener;

export interface ListenerState {
  readonly name: string;
  readonly port: number;
  readonly bound: boolean;
  /** '' when all is well; with `bound` true, what of the newest settings it cannot follow. */
  readonly error: string;
}

export class ListenerSet {
  readonly #environment: ListenerEnvironment;
  readonly #report: (state: ListenerState) => void;
  readonly #bound = new Map<string, Listener>();
  readonly #states = new Map<string, ListenerState>();
  /** Removed, with connections left. */
  readonly #leaving = new Set<Listener>();

  constructor(environment: ListenerEnvironment, report: (state: ListenerState) => void) {
    this.#environment = environment;
    this.#report = report;
  }

  /** Resolves when every listener of the table is bound, or has failed and said why. Calls must not overlap. */
  async follow(table: RoutingTable): Promise<void> {
    for (const [name, listener] of this.#bound) {
      const next = table.listeners.get(name);
      if (next === undefined || !this.#continues(listener, next)) this.#remove(name, listener);
    }
    for (const name of this.#states.keys()) if (!table.listeners.has(name)) this.#states.delete(name);
    await Promise.all([...table.listeners.values()].map((next) => this.#followOne(next)));
  }

  /** Whether some listener could not be bound: worth another try, since whoever has the port may go. */
  anyUnbound(): boolean {
    return this.states().some((state) => !state.bound);
  }

  /** Told again to a new control thread. */
  states(): readonly ListenerState[] {
    return [...this.#states.values()];
  }

  connectionCount(): number {
    return this.#all().reduce((sum, listener) => sum + listener.connectionCount, 0);
  }

  stopAccepting(): void {
    for (const listener of this.#bound.values()) listener.stopAccepting();
  }

  closeConnections(): void {
    for (const listener of this.#all()) listener.closeConnections();
  }

  /** Ends what is left and says how many that were. */
  destroyConnections(): number {
    return this.#all().reduce((sum, listener) => sum + listener.destroyConnections(), 0);
  }

  #all(): Listener[] {
    return [...this.#bound.values(), ...this.#leaving];
  }

  #continues(listener: Listener, next: ListenerTable): boolean {
    const sameKind = listener instanceof UdpListener === (next.spec.protocol === 'udp');
    return sameKind && listener.port === next.spec.port + this.#environment.portOffset;
  }

  async #followOne(next: ListenerTable): Promise<void> {
    const { name } = next.spec;
    const existing = this.#bound.get(name);
    if (existing !== undefined) {
      this.#setState({ name, port: existing.port, bound: true, error: existing.update(next) });
      return;
    }
    const listener =
      next.spec.protocol === 'udp'
        ? new UdpListener(next, this.#environment)
        : new StreamListener(next, this.#environment);
    const error = await listener.bind();
    if (error === '') this.#bound.set(name, listener);
    else this.#environment.context.log.error({ listener: name }, error);
    this.#setState({ name, port: listener.port, bound: error === '', error });
  }

  #setState(state: ListenerState): void {
    const known = this.#states.get(state.name);
    this.#states.set(state.name, state);
    const { port, bound, error } = state;
    if (known === undefined || known.port !== port || known.bound !== bound || known.error !== error)
      this.#report(state);
  }

  #remove(name: string, listener: Listener): void {
    this.#bound.delete(name);
    this.#states.delete(name);
    listener.stopAccepting();
    if (listener.connectionCount === 0) return;
    this.#leaving.add(listener);
    const { timers } = this.#environment.context;
    timers.after(REMOVED_LISTENER_DEADLINE_MS * DRAIN_CLOSE_IDLE_RATIO, () => listener.closeConnections());
    timers.after(REMOVED_LISTENER_DEADLINE_MS, () => {
      listener.destroyConnections();
      this.#leaving.delete(listener);
    });
  }
}
