/**
 * The whole life of a proxy thread: follows what the control thread says, serves, and ends when the supervisor says so.
 *
 * It knows nothing of Raft. Without a control thread it goes on serving the last table; a bad message costs a line in the log.
 */
import type { MessagePort } from 'node:worker_threads';
import type { ControlToProxy, ProxyThreadData, SupervisorToProxy } from '@flotilla/shared';
import { createLogger } from '@flotilla/shared/runtime';
import { SharedPinTable } from '../affinity/shared-pin-table.ts';
import { RuntimeRegistry, sharedCounts } from '../config/runtime-registry.ts';
import type { Backend } from '../config/table.ts';
import { Admission } from '../listeners/admission.ts';
import { OUTLIER_REPORT_MS, REBIND_MS } from '../listeners/limits.ts';
import { ListenerSet } from '../listeners/listener-set.ts';
import { StatsRecorder } from '../metrics/stats-recorder.ts';
import { AccessLog } from './access-log.ts';
import type { DataplaneContext } from './context.ts';
import { ControlLink } from './control-link.ts';
import { Drain } from './drain.ts';
import { LogClock } from './log-clock.ts';
import { Overload } from './overload.ts';
import { protocols } from './protocol-table.ts';
import { isOutlier, Routing } from './routing.ts';
import { retireUpstream } from '../request/upstream-pool-of.ts';
import { Timers } from './timers.ts';

export function runProxyThread(data: ProxyThreadData, supervisorPort: MessagePort): void {
  new ProxyThread(data, supervisorPort).start();
}

class ProxyThread {
  readonly #data: ProxyThreadData;
  readonly #supervisor: MessagePort;
  readonly #overload = new Overload();
  readonly #timers = new Timers(undefined, (delayMs) => this.#overload.note(delayMs));
  readonly #stats = new StatsRecorder();
  readonly #log;
  readonly #link: ControlLink;
  readonly #accessLog: AccessLog;
  readonly #routing: Routing;
  readonly #listeners: ListenerSet;
  readonly #drain: Drain;
  readonly #pins: SharedPinTable;
  /** Following is under way; when it ends, it looks whether there is something newer. */
  #following = false;
  /** Index of the last `active`. */
  #activeIndex = 0;
  readonly #reported = new WeakMap<object, number>();

  constructor(data: ProxyThreadData, supervisor: MessagePort) {
    this.#data = data;
    this.#supervisor = supervisor;
    this.#log = createLogger({ level: data.logLevel, nodeId: data.nodeId, thread: `proxy-${data.threadId}` });
    this.#link = new ControlLink((message) => this.#guarded(() => this.#fromControl(message)));
    const named = { node: data.nodeId, thread: `proxy-${data.threadId}` };
    this.#accessLog = new AccessLog(named, this.#timers, (message) => supervisor.postMessage(message));
    const clock = new LogClock(() => performance.now());
    const inputs = {
      nowMs: () => this.#timers.nowMs,
      logNowMs: () => clock.nowMs(),
      random: Math.random,
      zone: data.zone ?? '',
    };
    this.#routing = new Routing(
      new RuntimeRegistry(sharedCounts(data.memory, data.threadId), retireUpstream),
      inputs,
      clock,
    );
    this.#pins = new SharedPinTable({
      pool: (name) => this.#routing.table().pools.get(name),
      logNowMs: () => clock.nowMs(),
      propose: (words, skipped) => this.#link.send({ type: 'pin-proposals', words, skipped }),
    });
    const context = this.#context();
    this.#listeners = new ListenerSet(
      {
        context,
        bindAddress: data.bindAddress,
        portOffset: data.portOffset,
        admission: new Admission(data.memory.connections, data.threadId),
        protocols,
      },
      (state) => this.#link.send({ type: 'listener', ...state }),
    );
    this.#drain = new Drain(this.#listeners, context, (cutCount) =>
      this.#link.send({ type: 'drained', connections: cutCount }),
    );
  }

  start(): void {
    // A fault of ours costs the connection it happened on, not every connection of the thread.
    process.on('uncaughtException', (error) => this.#log.error({ err: error }, 'fault in the request path'));
    this.#timers.start();
    this.#supervisor.on('message', (message: SupervisorToProxy) => this.#guarded(() => this.#fromSupervisor(message)));
    const retry = this.#timers.after(REBIND_MS, () => {
      if (this.#listeners.anyUnbound()) this.#follow();
      this.#timers.restart(retry, REBIND_MS);
    });
  }

  #context(): DataplaneContext {
    return {
      table: () => {
        this.#link.catchUp();
        return this.#routing.table();
      },
      stats: this.#stats,
      draining: () => this.#drain.active,
      random: Math.random,
      shedRatio: () => this.#overload.shedRatio,
      nowMs: () => performance.now(),
      timers: this.#timers,
      pins: this.#pins,
      viaName: () => this.#routing.table().snapshot.settings.viaName,
      affinityKey: () => this.#routing.table().snapshot.settings.affinityKey,
      log: this.#log,
      accessLog: (access) => this.#accessLog.write(access),
      reportOutlier: (backend) => this.#reportOutlier(backend),
    };
  }

  /** Nothing that another thread says may end this one. */
  #guarded(handle: () => void): void {
    try {
      handle();
    } catch (error) {
      this.#log.error({ err: error }, 'ignored a message that could not be followed');
    }
  }

  #fromSupervisor(message: SupervisorToProxy): void {
    switch (message.type) {
      case 'control-port':
        this.#attach(message.port);
        return;
      case 'stop':
        this.#listeners.stopAccepting();
        this.#drain.begin(message.deadlineMs, (cutCount) => this.#exit(cutCount));
        return;
      default:
        this.#log.warn({ message }, 'unknown message from the supervisor');
    }
  }

  #attach(port: MessagePort): void {
    this.#link.attach(port);
    const { index, revision } = this.#routing.table();
    this.#link.send({ type: 'hello', threadId: this.#data.threadId, index, revision, posted: this.#link.posted });
    for (const state of this.#listeners.states()) this.#link.send({ type: 'listener', ...state });
    if (index > 0 && !this.#following) this.#link.send({ type: 'active', index, revision });
  }

  #fromControl(message: ControlToProxy): void {
    switch (message.type) {
      case 'snapshot':
        this.#routing.replace(message.snapshot);
        this.#follow();
        return;
      case 'delta':
        this.#routing.change(message, message.backends);
        return;
      case 'drain':
        if (message.draining) this.#drain.begin(message.deadlineMs, null);
        else this.#drain.undo();
        return;
      case 'overlay':
        this.#routing.overlay(message.down);
        return;
      case 'pins':
        this.#pins.attach(message.memory);
        return;
      case 'collect':
        this.#link.send({ type: 'stats', id: message.id, stats: this.#stats.snapshot() });
        return;
      default:
        this.#log.warn({ message }, 'unknown message from the control thread');
    }
  }

  #follow(): void {
    if (this.#following || this.#drain.stopping) return;
    this.#following = true;
    const table = this.#routing.table();
    this.#listeners.follow(table).then(
      () => this.#followed(table.listeners),
      (error: unknown) => {
        this.#log.error({ err: error }, 'listeners');
        this.#followed(table.listeners);
      },
    );
  }

  #followed(listeners: object): void {
    this.#following = false;
    // Deltas keep the listeners; only another snapshot brings others.
    if (this.#routing.table().listeners === listeners) this.#announceActive();
    else this.#follow();
  }

  #announceActive(): void {
    const { index, revision } = this.#routing.table();
    if (index === this.#activeIndex) return;
    this.#activeIndex = index;
    this.#link.send({ type: 'active', index, revision });
  }

  #reportOutlier(backend: Backend): void {
    const { runtime } = backend;
    if (!isOutlier(backend, this.#routing.table().pools.get(backend.pool)?.spec)) return;
    // Once per limit reached, not once per error after it.
    const nowMs = performance.now();
    if (nowMs - (this.#reported.get(runtime) ?? -Infinity) < OUTLIER_REPORT_MS) return;
    this.#reported.set(runtime, nowMs);
    const { pool, id } = backend;
    this.#link.send({ type: 'outlier', pool, backend: id, consecutiveErrors: runtime.consecutiveErrors });
  }

  #exit(cutCount: number): void {
    this.#log.info({ cutCount }, 'proxy thread stopped');
    this.#accessLog.flush();
    this.#link.close();
    this.#routing.close();
    this.#timers.close();
    this.#pins.close();
    this.#supervisor.close();
  }
}
