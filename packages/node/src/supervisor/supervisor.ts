/**
 * The main thread's work: start the threads, connect them, start crashed ones again, stop them in order. It knows nothing
 * of requests or of Raft; while the control thread is down, proxy threads go on with the last snapshot they were given.
 */
import { MessageChannel, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { EXIT, errorText } from '@flotilla/shared';
import type { ControlToSupervisor, ProxyThreadData, ProxyToSupervisor, SharedMemory } from '@flotilla/shared';
import { createLineWriter } from '@flotilla/shared/runtime';
import type { Logger } from '@flotilla/shared/runtime';
import {
  ACCESS_DROPS_TOLD_MS,
  CONTROL_HEAP_MAX_MB,
  CONTROL_YOUNG_MAX_MB,
  PROXY_HEAP_MAX_MB,
  PROXY_YOUNG_MAX_MB,
} from '../limits.ts';
import type { NodeSettings, RenewableSettings } from '../settings/types.ts';
import type { ControlThreadData, ToControlThread } from '../threads/control-thread-data.ts';
import { KeptThread } from './kept-thread.ts';
import { allocateMemory, forgetThread } from './memory.ts';

const CONTROL_ENTRY = new URL('../threads/control-thread.ts', import.meta.url);
const PROXY_ENTRY = new URL('../threads/proxy-thread.ts', import.meta.url);

export interface SupervisorEvents {
  /** The control thread answers; called again after each of its restarts. */
  readonly onStarted: (apiUrl: string) => void;
  /** Somebody asked through the API that the node stop. */
  readonly onStop: () => void;
  /** The node cannot go on: stop it and end the process with this code. */
  readonly onFatal: (exitCode: number, message: string) => void;
}

export class Supervisor {
  #settings: NodeSettings;
  readonly #log: Logger;
  readonly #events: SupervisorEvents;
  readonly #memory: SharedMemory;
  readonly #proxies: KeptThread[];
  readonly #control: KeptThread;
  readonly #writeAccess: (text: string) => void;
  /** Texts of the access log that standard output did not take, since they were last told of. */
  #droppedAccess = 0;
  /** Whether the control thread ever came up: before, a crash is the end; after, it is started again. */
  #wasUp = false;
  #ending = false;
  #stopped = false;

  constructor(settings: NodeSettings, log: Logger, events: SupervisorEvents) {
    this.#settings = settings;
    this.#log = log;
    this.#events = events;
    this.#memory = allocateMemory(settings.proxyThreads);
    this.#writeAccess = createLineWriter(() => this.#accessDropped());
    this.#proxies = Array.from({ length: settings.proxyThreads }, (_, threadId) => this.#proxyThread(threadId));
    this.#control = new KeptThread({
      name: 'control',
      log,
      spawn: () => this.#spawnControl(),
      onCrash: (error) => {
        if (!this.#wasUp) events.onFatal(EXIT.internal, `the control thread did not start: ${errorText(error)}`);
        return this.#wasUp;
      },
    });
  }

  start(): void {
    for (const proxy of this.#proxies) proxy.start();
    this.#control.start();
  }

  /** Ends all threads as `stop` does and starts them again, with the code that is on the disk by then. */
  async restart(deadlineMs: number): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    this.#log.info('restarts in place');
    await this.#end(deadlineMs);
    if (this.#stopped) return;
    this.#ending = false;
    for (const threadId of this.#proxies.keys()) forgetThread(this.#memory, threadId);
    this.start();
  }

  /** Lets work under way finish until `deadlineMs` from now, hands leadership over, ends all threads. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopped = true;
    this.#ending = true;
    await this.#end(deadlineMs);
  }

  /** Also for control threads that are started later. */
  renew(settings: RenewableSettings): void {
    const { apiTokens, tls, apiTls, apiTlsCa } = settings;
    this.#settings = { ...this.#settings, apiTokens, tls, apiTls, apiTlsCa };
    const message: ToControlThread = { type: 'renew', settings: this.#settings };
    this.#control.worker?.postMessage(message);
  }

  /** Debug only: the control thread throws out of its event loop, as a bug would. */
  crashControl(): void {
    this.#control.worker?.postMessage({ type: 'debug-crash' });
  }

  /** Debug only: this node's state becomes another one than that of the other nodes. */
  divergeControl(): void {
    this.#control.worker?.postMessage({ type: 'debug-diverge' });
  }

  /** Told once in a while, not once each: what cannot keep up with requests cannot keep up with complaints. */
  #accessDropped(): void {
    if (this.#droppedAccess++ > 0) return;
    setTimeout(() => {
      this.#log.warn(
        { batches: this.#droppedAccess },
        'standard output does not keep up: access log lines were dropped',
      );
      this.#droppedAccess = 0;
    }, ACCESS_DROPS_TOLD_MS).unref();
  }

  async #end(deadlineMs: number): Promise<void> {
    await Promise.all([...this.#proxies, this.#control].map((thread) => thread.stop(deadlineMs)));
  }

  #proxyThread(threadId: number): KeptThread {
    const thread: KeptThread = new KeptThread({
      name: `proxy-${threadId}`,
      log: this.#log,
      spawn: () => this.#spawnProxy(threadId),
      onCrash: () => {
        forgetThread(this.#memory, threadId);
        return true;
      },
    });
    return thread;
  }

  #spawnProxy(threadId: number): Worker {
    const { nodeId, bindAddress, portOffset, logLevel, zone } = this.#settings;
    const own = { nodeId, threadId, bindAddress, portOffset, logLevel, ...(zone === null ? {} : { zone }) };
    const data: ProxyThreadData = { ...own, memory: this.#memory };
    const worker = new Worker(PROXY_ENTRY, {
      name: `proxy-${threadId}`,
      workerData: data,
      resourceLimits: { maxOldGenerationSizeMb: PROXY_HEAP_MAX_MB, maxYoungGenerationSizeMb: PROXY_YOUNG_MAX_MB },
    });
    worker.on('message', (message: ProxyToSupervisor) => this.#writeAccess(message.text));
    const control = this.#control?.worker;
    if (control) {
      const port = connect(worker);
      control.postMessage({ type: 'proxy-port', threadId, port }, [port]);
    }
    return worker;
  }

  #spawnControl(): Worker {
    const proxyPorts = this.#proxies.flatMap(({ worker }, threadId) =>
      worker === null ? [] : [{ threadId, port: connect(worker) }],
    );
    const data: ControlThreadData = { settings: this.#settings, memory: this.#memory, proxyPorts };
    const worker = new Worker(CONTROL_ENTRY, {
      name: 'control',
      workerData: data,
      transferList: proxyPorts.map(({ port }) => port),
      resourceLimits: { maxOldGenerationSizeMb: CONTROL_HEAP_MAX_MB, maxYoungGenerationSizeMb: CONTROL_YOUNG_MAX_MB },
    });
    worker.on('message', (message: ControlToSupervisor) => this.#onControl(message));
    return worker;
  }

  #onControl(message: ControlToSupervisor): void {
    switch (message.type) {
      case 'started':
        this.#wasUp = true;
        return this.#events.onStarted(message.apiUrl);
      case 'fatal':
        return this.#events.onFatal(message.exitCode, message.message);
      case 'stopped':
        return undefined;
      case 'stop':
        return this.#events.onStop();
      case 'restart':
        return void this.restart(this.#settings.drainMs);
    }
  }
}

/** Gives a proxy thread one end of a new channel; answers the other end. */
function connect(proxy: Worker): MessagePort {
  const { port1, port2 } = new MessageChannel();
  proxy.postMessage({ type: 'control-port', port: port1 }, [port1]);
  return port2;
}
