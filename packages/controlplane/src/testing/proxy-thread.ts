/**
 * The proxy threads' side of the port for tests of the control thread: follows snapshots and deltas and acknowledges
 * them as a proxy thread does, carries no traffic.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { BackendDelta, ControlToProxy, ProxyStats, ProxyToControl, RoutingSnapshot } from '@flotilla/shared';

const NO_STATS: ProxyStats = {
  connections: [],
  requests: [],
  durations: [],
  retries: [],
  errors: [],
  bytes: [],
  gauges: [],
};

export class TestProxyThread {
  readonly threadId: number;
  /** To be given to the control thread. */
  readonly controlPort: MessagePort;
  readonly #port: MessagePort;
  snapshot: RoutingSnapshot | null = null;
  readonly deltas: BackendDelta[] = [];
  readonly messages: ControlToProxy[] = [];
  overlay: readonly { readonly pool: string; readonly id: string }[] = [];
  draining = false;
  /** The pin table that this thread was given last. */
  pins: SharedArrayBuffer | null = null;
  stats: ProxyStats = NO_STATS;
  /** Port → error, for listeners that this thread is to fail to bind. */
  readonly bindErrors = new Map<number, string>();
  /** While false nothing is acknowledged. */
  acknowledge = true;

  constructor(threadId: number) {
    const { port1, port2 } = new MessageChannel();
    this.threadId = threadId;
    this.controlPort = port1;
    this.#port = port2;
    port2.on('message', (message: ControlToProxy) => this.#on(message));
    port2.unref();
  }

  say(message: ProxyToControl): void {
    this.#port.postMessage(message);
  }

  close(): void {
    this.#port.close();
  }

  #on(message: ControlToProxy): void {
    this.messages.push(message);
    if (message.type === 'snapshot') this.#follow(message.snapshot);
    else if (message.type === 'delta') {
      this.deltas.push(...message.backends);
      this.#active(message.index, message.revision);
    } else if (message.type === 'overlay') this.overlay = message.down;
    else if (message.type === 'pins') this.pins = message.memory;
    else if (message.type === 'collect') this.say({ type: 'stats', id: message.id, stats: this.stats });
    else {
      this.draining = message.draining;
      if (message.draining) this.say({ type: 'drained', connections: 0 });
    }
  }

  #follow(snapshot: RoutingSnapshot): void {
    this.snapshot = snapshot;
    for (const { name, port } of snapshot.listeners) {
      const error = this.bindErrors.get(port);
      this.say({ type: 'listener', name, port, bound: error === undefined, error: error ?? '' });
    }
    this.#active(snapshot.index, snapshot.revision);
  }

  #active(index: number, revision: number): void {
    if (this.acknowledge) this.say({ type: 'active', index, revision });
  }
}
