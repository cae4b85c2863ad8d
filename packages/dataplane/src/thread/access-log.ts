/**
 * The access log of a proxy thread: lines are made here, and leave in batches toward the supervisor, which writes them. The control
 * thread has no part in it: requests are logged while it is gone, and it has better things to do than to copy text.
 */
import type { ProxyToSupervisor } from '@flotilla/shared';
import { createLineLogger } from '@flotilla/shared/runtime';
import type { Logger } from '@flotilla/shared/runtime';
import { ACCESS_LOG_BATCH_CHARS, ACCESS_LOG_FLUSH_MS } from '../listeners/limits.ts';
import type { Timer, Timers } from './timers.ts';

export class AccessLog {
  readonly #logger: Logger;
  readonly #timers: Timers;
  readonly #send: (message: ProxyToSupervisor) => void;
  #text = '';
  #flush: Timer | null = null;

  constructor(
    base: { readonly node: string; readonly thread: string },
    timers: Timers,
    send: (message: ProxyToSupervisor) => void,
  ) {
    this.#timers = timers;
    this.#send = send;
    this.#logger = createLineLogger(base, (line) => this.#add(line));
  }

  write(access: object): void {
    this.#logger.info({ access }, 'access');
  }

  flush(): void {
    if (this.#text === '') return;
    this.#send({ type: 'access-log', text: this.#text });
    this.#text = '';
  }

  #add(line: string): void {
    const isFirst = this.#text === '';
    this.#text += line;
    if (this.#text.length >= ACCESS_LOG_BATCH_CHARS) this.flush();
    else if (isFirst && this.#flush === null) this.#flush = this.#timers.after(ACCESS_LOG_FLUSH_MS, () => this.flush());
    else if (isFirst && this.#flush !== null) this.#timers.restart(this.#flush, ACCESS_LOG_FLUSH_MS);
  }
}
