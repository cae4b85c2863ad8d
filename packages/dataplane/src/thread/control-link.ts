/**
 * The connection to the control thread: may be absent, may be replaced at any time, and never matters for traffic.
 *
 * What is said while it is absent is dropped: a new control thread is told everything anew.
 */
import type { ControlToProxy, ProxyToControl } from '@flotilla/shared';
import type { MessagePort } from 'node:worker_threads';
import { ACCESS_LOG_BATCH_COUNT, ACCESS_LOG_FLUSH_MS } from '../listeners/limits.ts';
import type { Timer, Timers } from './timers.ts';

export class ControlLink {
  readonly #receive: (message: ControlToProxy) => void;
  readonly #timers: Timers;
  #port: MessagePort | null = null;
  #lines: string[] = [];
  #flush: Timer | null = null;

  constructor(timers: Timers, receive: (message: ControlToProxy) => void) {
    this.#timers = timers;
    this.#receive = receive;
  }

  attach(port: MessagePort): void {
    this.#port?.close();
    this.#port = port;
    port.on('message', (message: ControlToProxy) => {
      // A message of a replaced port that was still under way is of an older truth.
      if (this.#port === port) this.#receive(message);
    });
    port.once('close', () => {
      if (this.#port === port) this.#port = null;
    });
  }

  get attached(): boolean {
    return this.#port !== null;
  }

  send(message: ProxyToControl): void {
    this.#port?.postMessage(message);
  }

  accessLog(line: string): void {
    if (this.#port === null) return;
    this.#lines.push(line);
    if (this.#lines.length >= ACCESS_LOG_BATCH_COUNT) this.flushAccessLog();
    else if (this.#lines.length === 1) this.#scheduleFlush();
  }

  flushAccessLog(): void {
    if (this.#lines.length === 0) return;
    this.send({ type: 'access-log', lines: this.#lines });
    this.#lines = [];
  }

  close(): void {
    this.flushAccessLog();
    this.#port?.close();
    this.#port = null;
  }

  #scheduleFlush(): void {
    if (this.#flush === null) this.#flush = this.#timers.after(ACCESS_LOG_FLUSH_MS, () => this.flushAccessLog());
    else this.#timers.restart(this.#flush, ACCESS_LOG_FLUSH_MS);
  }
}
