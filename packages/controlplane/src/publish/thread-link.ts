/**
 * One proxy thread as the control thread sees it: its port, what it serves, what it could not bind, its last counters.
 */
import type { MessagePort } from 'node:worker_threads';
import type { ControlToProxy, ProxyStats, ProxyToControl } from '@flotilla/shared';

export interface ListenerReport {
  readonly name: string;
  readonly port: number;
  readonly bound: boolean;
  readonly error: string;
}

export interface ThreadEvents {
  readonly onMessage: (link: ThreadLink, message: ProxyToControl) => void;
  readonly onClosed: (link: ThreadLink) => void;
}

export class ThreadLink {
  readonly threadId: number;
  /** What every new request on this thread follows; 0 before its first snapshot. */
  activeIndex = 0;
  activeRevision = 0;
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

  post(message: ControlToProxy): void {
    if (!this.#closed) this.#port.postMessage(message);
  }

  /** Leaves the thread serving: a closed port tells it only that control is gone. */
  close(): void {
    if (!this.#closed) this.#port.close();
  }
}
