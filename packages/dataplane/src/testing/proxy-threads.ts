/**
 * Real proxy threads for tests, with the test as supervisor and as control thread at once.
 */
import { MessageChannel, Worker } from 'node:worker_threads';
import type { MessagePort, ResourceLimits } from 'node:worker_threads';
import { BACKEND_SLOTS_MAX } from '@flotilla/shared';
import type { ControlToProxy, ProxyStats, ProxyToControl, RoutingSnapshot, SharedMemory } from '@flotilla/shared';
import { waitFor } from '@flotilla/shared/testing';
import type { Stall } from './proxy-thread-main.ts';

const INT32_BYTES = 4;

export class TestProxyThread {
  readonly worker: Worker;
  readonly received: ProxyToControl[] = [];
  #port: MessagePort;
  #collectId = 0;
  readonly #stalls: MessagePort;

  constructor(worker: Worker, stalls: MessagePort) {
    this.worker = worker;
    this.#stalls = stalls;
    this.#port = this.connectControl();
  }

  /** A new control thread, as it were; the old one is gone. */
  connectControl(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    port1.on('message', (message: ProxyToControl) => this.received.push(message));
    port1.unref();
    this.worker.postMessage({ type: 'control-port', port: port2 }, [port2]);
    this.#port = port1;
    return port1;
  }

  /** It has more work than time for a while. */
  stall(stall: Stall): void {
    this.#stalls.postMessage(stall);
  }

  loseControl(): void {
    this.#port.close();
  }

  send(message: ControlToProxy): void {
    this.#port.postMessage(message);
  }

  /** Followed when this returns, by every request that comes after it. The thread must have said hello. */
  delta(delta: Omit<Extract<ControlToProxy, { type: 'delta' }>, 'type'>): void {
    const posted = this.of('hello').at(-1)?.posted;
    if (posted === undefined) throw new Error('the thread has not said where it looks for deltas');
    this.send({ type: 'delta', ...delta });
    Atomics.add(new Int32Array(posted), 0, 1);
  }

  /** Sends a snapshot and waits until the thread follows it. */
  async follow(snapshot: RoutingSnapshot): Promise<void> {
    this.send({ type: 'snapshot', snapshot });
    await this.active(snapshot.index);
  }

  async active(index: number): Promise<void> {
    await waitFor(`active ${index}`, () => this.of('active').some((message) => message.index >= index));
  }

  of<T extends ProxyToControl['type']>(type: T): Extract<ProxyToControl, { type: T }>[] {
    return this.received.filter((message): message is Extract<ProxyToControl, { type: T }> => message.type === type);
  }

  async stats(): Promise<ProxyStats> {
    const id = ++this.#collectId;
    this.send({ type: 'collect', id });
    const answer = await waitFor('stats', () => this.of('stats').find((message) => message.id === id));
    return answer.stats;
  }
}

export interface TestProxyThreads {
  readonly memory: SharedMemory;
  readonly threads: readonly TestProxyThread[];
  follow(snapshot: RoutingSnapshot): Promise<void>;
  close(): Promise<void>;
}

export function startProxyThreads(
  options: { readonly count?: number; readonly bindAddress?: string; readonly resourceLimits?: ResourceLimits } = {},
): TestProxyThreads {
  const count = options.count ?? 1;
  const memory: SharedMemory = {
    inFlight: new SharedArrayBuffer(BACKEND_SLOTS_MAX * INT32_BYTES),
    inFlightByThread: new SharedArrayBuffer(count * BACKEND_SLOTS_MAX * INT32_BYTES),
    connections: new SharedArrayBuffer(count * INT32_BYTES),
  };
  const threads = Array.from({ length: count }, (_, threadId) => {
    const { port1, port2 } = new MessageChannel();
    const workerData = {
      nodeId: 'n1',
      threadId,
      bindAddress: options.bindAddress ?? '127.0.0.1',
      portOffset: 0,
      memory,
      logLevel: 'silent',
      stalls: port2,
    };
    const { resourceLimits = {} } = options;
    const entry = new URL('proxy-thread-main.ts', import.meta.url);
    return new TestProxyThread(new Worker(entry, { workerData, resourceLimits, transferList: [port2] }), port1);
  });
  return {
    memory,
    threads,
    async follow(snapshot) {
      await Promise.all(threads.map((thread) => thread.follow(snapshot)));
    },
    async close() {
      await Promise.all(threads.map((thread) => thread.worker.terminate()));
    },
  };
}
