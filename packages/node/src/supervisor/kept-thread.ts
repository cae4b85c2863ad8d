/**
 * One worker thread that is kept alive: started again with a growing pause whenever it ends without being asked to.
 */
import type { Worker } from 'node:worker_threads';
import { errorText } from '@flotilla/shared';
import type { Logger } from '@flotilla/shared/runtime';
import { STOP_GRACE_MS } from '../limits.ts';
import { Backoff } from './backoff.ts';

export interface KeptThreadOptions {
  readonly name: string;
  readonly log: Logger;
  /** Makes the worker and connects it; called for the first start and every restart. */
  readonly spawn: () => Worker;
  /** The thread ended by itself; false: it must not be started again. */
  readonly onCrash: (error: unknown) => boolean;
}

export class KeptThread {
  readonly #options: KeptThreadOptions;
  readonly #backoff = new Backoff();
  #worker: Worker | null = null;
  #timer: NodeJS.Timeout | null = null;
  #stopping = false;

  constructor(options: KeptThreadOptions) {
    this.#options = options;
  }

  /** The running worker; null between a crash and the restart. */
  get worker(): Worker | null {
    return this.#worker;
  }

  start(): void {
    this.#stopping = false;
    const startedMs = performance.now();
    const worker = this.#options.spawn();
    let fault: unknown = null;
    this.#worker = worker;
    worker.once('error', (error: unknown) => {
      fault = error;
    });
    worker.once('exit', (exitCode: number) => {
      this.#worker = null;
      if (this.#stopping) return;
      this.#crashed(fault ?? new Error(`ended with exit code ${exitCode}`), performance.now() - startedMs);
    });
  }

  #crashed(fault: unknown, livedMs: number): void {
    const { name, log, onCrash } = this.#options;
    if (!onCrash(fault)) return;
    const pauseMs = this.#backoff.next(livedMs);
    log.error({ name, err: fault, pauseMs, livedMs: Math.round(livedMs) }, `thread crashed: ${errorText(fault)}`);
    this.#timer = setTimeout(() => this.start(), pauseMs);
  }

  /** Asks the thread to end by `deadlineMs` from now; ends it then. Resolves when it is gone. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const worker = this.#worker;
    if (worker === null) return;
    const gone = new Promise<void>((settle) => worker.once('exit', () => settle()));
    worker.postMessage({ type: 'stop', deadlineMs });
    const limit = setTimeout(() => void worker.terminate(), deadlineMs + STOP_GRACE_MS);
    await gone;
    clearTimeout(limit);
  }
}
