/**
 * One proxy thread as the control thread sees it: its port, what it serves, what it could not bind, its last counters.
 */
import type { MessagePort } from 'node:worker_threads';
import type { ControlToProxy, ProxyStats, ProxyToControl, RoutingSnapshot } from '@flotilla/shared';

export interface ListenerReport {
  readonly name: string;
  readonly port: number;
  readonly bound: boolean;
  readonly error: string;
}

/** What a thread follows, or is to follow. */
interface Position {
  readonly index: number;
  readonly revision: number;
}

const NOWHERE: Position = { index: 0, revision: 0 };

export interface ThreadEvents {
  readonly onMessage: (link: ThreadLink, message: ProxyToControl) => void;
  readonly onClosed: (link: ThreadLink) => void;
}

export class ThreadLink {
  readonly threadId: number;
  /** What every new request on this thread follows; 0 before its first snapshot. */
  #active = NOWHERE;
  /** The newest snapshot that was posted, and the newest of everything. */
  #snapshot = NOWHERE;
  #newest = NOWHERE;
  /** Raised after each delta; null until the thread has said where. */
  #posted: Int32Array | null = null;
  /** By listener name and port: what the thread last said of it. */
  readonly listeners = new Map<string, ListenerReport>();
  lastStats: ProxyStats | null = null;
  /** What it said when its drain ended: connections that had to be cut; null while not drained. */
  drained: number | null = null;
  readonly #port: MessagePort;
  #closed = false;

  constructor(threadId: number, port: MessagePort, events: ThreadEvents) {
    this.threadId = threadId;
    this.#port = port;
    port.on('message', (message: ProxyToControl) => events.onMessage(this, message));
    port.on('close', () => {
      this.#closed = true;
      events.onClosed(this);
    });
  }

  get activeIndex(): number {
    return this.#active.index;
  }

  get activeRevision(): number {
    return this.#active.revision;
  }

  post(message: ControlToProxy): void {
    if (!this.#closed) this.#port.postMessage(message);
  }

  /** The thread says when it follows it: listeners are to be bound first. */
  postSnapshot(snapshot: RoutingSnapshot): void {
    const { index, revision } = snapshot;
    this.#snapshot = this.#newest = { index, revision };
    this.post({ type: 'snapshot', snapshot });
  }

  /** Followed as soon as it is posted, by every request that begins after it, where the newest snapshot is. */
  postDelta(delta: Extract<ControlToProxy, { readonly type: 'delta' }>): void {
    this.post(delta);
    this.#newest = { index: delta.index, revision: delta.revision };
    if (this.#posted === null) return;
    Atomics.add(this.#posted, 0, 1);
    if (this.#active.index >= this.#snapshot.index) this.#active = this.#newest;
  }

  /** What the thread says of itself. `posted`: where it looks for deltas. */
  says({ index, revision }: Position, posted?: SharedArrayBuffer): void {
    if (posted !== undefined) this.#posted = new Int32Array(posted);
    const inStep = this.#posted !== null && this.#snapshot.index > 0 && index >= this.#snapshot.index;
    this.#active = inStep ? this.#newest : { index, revision };
  }

  /** Leaves the thread serving: a closed port tells it only that control is gone. */
  close(): void {
    if (!this.#closed) this.#port.close();
  }
}
