/**
 * Gives the proxy threads what the cluster decided and knows what each of them serves.
 *
 * It carries whole snapshots and small deltas; what they are made of is publish/feed.ts. A thread that appears late gets
 * the newest whole snapshot first, then deltas in order, so a gap cannot happen on one port.
 */
import type { MessagePort } from 'node:worker_threads';
import type { BackendDelta, ControlToProxy, ProxyStats, ProxyToControl, RoutingSnapshot } from '@flotilla/shared';
import { type ListenerReport, ThreadLink } from './thread-link.ts';

export interface BackendRef {
  readonly pool: string;
  readonly id: string;
}

export interface DeltaBatch {
  readonly index: number;
  readonly revision: number;
  readonly logTimeMs: number;
  readonly backends: readonly BackendDelta[];
}

export interface PublisherEvents {
  /** A proxy thread saw a backend fail again and again. */
  readonly onOutlier?: (pool: string, backend: string, consecutiveErrors: number) => void;
  readonly onListener?: (threadId: number, report: ListenerReport) => void;
  /** Sessions that a thread wants pinned, and how many it did not even propose. */
  readonly onPins?: (words: Int32Array, skipped: number) => void;
  /** All threads serve this revision, `seconds` after it was posted. */
  readonly onPropagated?: (seconds: number) => void;
}

interface Waiter {
  readonly revision: number;
  readonly done: (served: boolean) => void;
  readonly timer: NodeJS.Timeout;
}

interface Collection {
  missing: number;
  readonly done: () => void;
}

export class Publisher {
  readonly #events: PublisherEvents;
  /** The newest whole picture: asked for only when a thread appears. */
  readonly #current: () => RoutingSnapshot | null;
  readonly #links = new Map<number, ThreadLink>();
  readonly #retired: ProxyStats[] = [];
  readonly #collections = new Map<number, Collection>();
  #waiters: Waiter[] = [];
  #collectId = 0;
  #overlay: readonly BackendRef[] = [];
  #drain: { readonly deadlineAtMs: number } | null = null;
  /** Undefined: not known yet. */
  #pins: SharedArrayBuffer | null | undefined = undefined;
  #posted: { readonly revision: number; readonly atMs: number } | null = null;

  constructor(current: () => RoutingSnapshot | null, events: PublisherEvents = {}) {
    this.#current = current;
    this.#events = events;
  }

  addPort(threadId: number, port: MessagePort): void {
    const former = this.#links.get(threadId);
    if (former !== undefined) this.#retire(former);
    const link = new ThreadLink(threadId, port, {
      onMessage: (from, message) => this.#onMessage(from, message),
      onClosed: (from) => this.#retire(from),
    });
    this.#links.set(threadId, link);
    if (this.#pins !== undefined) link.post({ type: 'pins', memory: this.#pins });
    const snapshot = this.#current();
    if (snapshot !== null) link.postSnapshot(snapshot);
    if (this.#overlay.length > 0) link.post({ type: 'overlay', down: this.#overlay });
    if (this.#drain !== null) link.post(drainMessage(this.#drain.deadlineAtMs));
  }

  publishSnapshot(snapshot: RoutingSnapshot): void {
    this.#note(snapshot.revision);
    for (const link of this.#links.values()) link.postSnapshot(snapshot);
  }

  publishDelta(batch: DeltaBatch): void {
    this.#note(batch.revision);
    const delta = { type: 'delta', ...batch } as const;
    for (const link of this.#links.values()) link.postDelta(delta);
    this.#onActive();
  }

  /** What it was set to last. */
  get overlay(): readonly BackendRef[] {
    return this.#overlay;
  }

  /** Backends that this node's own probes cannot reach; for use while the cluster's verdicts are stale. */
  setOverlay(down: readonly BackendRef[]): void {
    this.#overlay = down;
    this.#post({ type: 'overlay', down });
  }

  /** The table that the threads are to read pins from. */
  setPins(memory: SharedArrayBuffer | null): void {
    if (memory === this.#pins) return;
    this.#pins = memory;
    this.#post({ type: 'pins', memory });
  }

  drain(deadlineMs: number): void {
    this.#drain = { deadlineAtMs: performance.now() + deadlineMs };
    for (const link of this.#links.values()) link.drained = null;
    this.#post(drainMessage(this.#drain.deadlineAtMs));
  }

  undrain(): void {
    this.#drain = null;
    this.#post({ type: 'drain', draining: false, deadlineMs: 0 });
  }

  /** Every thread said that its drain is over. */
  get drained(): boolean {
    return this.#drain !== null && [...this.#links.values()].every((link) => link.drained !== null);
  }

  get threads(): readonly { readonly id: number; readonly activeRevision: number; readonly activeIndex: number }[] {
    return [...this.#links.values()].map(({ threadId, activeRevision, activeIndex }) => ({
      id: threadId,
      activeRevision,
      activeIndex,
    }));
  }

  /** The oldest revision that a thread of this node serves; Infinity where there are no threads. */
  get activeRevision(): number {
    let oldest = Infinity;
    for (const link of this.#links.values()) oldest = Math.min(oldest, link.activeRevision);
    return oldest;
  }

  /** What stands between this node and serving these listeners, for people; empty: all are bound. */
  listenerFaults(names: Iterable<string>): string[] {
    const faults = new Set<string>();
    for (const name of names) {
      for (const link of this.#links.values()) {
        const report = link.listeners.get(name);
        if (report === undefined) faults.add(`listener ${name} is not bound yet`);
        else if (!report.bound) faults.add(`listener ${name} cannot bind port ${report.port}: ${report.error}`);
      }
    }
    return [...faults];
  }

  /** What of these listeners is not served as the newest picture says, for people; empty: all is. */
  refusals(names: readonly string[]): string[] {
    const found = new Set(this.listenerFaults(names));
    for (const link of this.#links.values())
      for (const name of names) {
        const report = link.listeners.get(name);
        if (report?.bound === true && report.error !== '') found.add(`listener ${name}: ${report.error}`);
      }
    return [...found];
  }

  /** Somebody waits for a revision that is not served yet. */
  get isAwaited(): boolean {
    return this.#waiters.length > 0;
  }

  /** Resolves true when all threads serve `revision` or later, false when that takes longer than `timeoutMs`. */
  whenActive(revision: number, timeoutMs: number): Promise<boolean> {
    if (this.activeRevision >= revision) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiters = this.#waiters.filter((each) => each !== waiter);
        resolve(false);
      }, timeoutMs);
      const waiter: Waiter = { revision, done: resolve, timer };
      this.#waiters.push(waiter);
    });
  }

  /** Counters of all threads, those that ended included; a thread that does not answer in time counts with its last ones. */
  async collect(timeoutMs: number): Promise<readonly ProxyStats[]> {
    const id = (this.#collectId += 1);
    if (this.#links.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        const done = (): void => {
          clearTimeout(timer);
          resolve();
        };
        this.#collections.set(id, { missing: this.#links.size, done });
        this.#post({ type: 'collect', id });
      });
      this.#collections.delete(id);
    }
    const live = [...this.#links.values()].flatMap(({ lastStats }) => (lastStats === null ? [] : [lastStats]));
    return [...this.#retired, ...live];
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
    this.#settle(Infinity);
  }

  #post(message: ControlToProxy): void {
    for (const link of this.#links.values()) link.post(message);
  }

  #note(revision: number): void {
    if (revision > (this.#posted?.revision ?? 0)) this.#posted = { revision, atMs: performance.now() };
  }

  #retire(link: ThreadLink): void {
    if (this.#links.get(link.threadId) !== link) return;
    this.#links.delete(link.threadId);
    // Counters must not fall when a thread is replaced; what is open on it now is open no more.
    if (link.lastStats !== null) this.#retired.push({ ...link.lastStats, connections: [], gauges: [] });
    this.#settle(this.activeRevision);
  }

  #onMessage(link: ThreadLink, message: ProxyToControl): void {
    switch (message.type) {
      case 'hello':
        link.says(message, message.posted);
        this.#onActive();
        break;
      case 'active':
        link.says(message);
        this.#onActive();
        break;
      case 'listener':
        link.listeners.set(message.name, message);
        this.#events.onListener?.(link.threadId, message);
        break;
      case 'stats':
        link.lastStats = message.stats;
        this.#onStats(message.id);
        break;
      case 'outlier':
        this.#events.onOutlier?.(message.pool, message.backend, message.consecutiveErrors);
        break;
      case 'pin-proposals':
        this.#events.onPins?.(message.words, message.skipped);
        break;
      case 'drained':
        link.drained = message.connections;
        break;
    }
  }

  #onActive(): void {
    const active = this.activeRevision;
    if (this.#posted !== null && active >= this.#posted.revision) {
      this.#events.onPropagated?.((performance.now() - this.#posted.atMs) / 1000);
      this.#posted = null;
    }
    this.#settle(active);
  }

  #settle(active: number): void {
    if (this.#waiters.length === 0) return;
    const rest: Waiter[] = [];
    for (const waiter of this.#waiters) {
      if (waiter.revision > active) {
        rest.push(waiter);
        continue;
      }
      clearTimeout(waiter.timer);
      waiter.done(true);
    }
    this.#waiters = rest;
  }

  #onStats(id: number): void {
    const collection = this.#collections.get(id);
    if (collection === undefined) return;
    collection.missing -= 1;
    if (collection.missing <= 0) collection.done();
  }
}

function drainMessage(deadlineAtMs: number): ControlToProxy {
  return { type: 'drain', draining: true, deadlineMs: Math.max(0, Math.round(deadlineAtMs - performance.now())) };
}
