/**
 * A writer that changes weights through random nodes without pause and remembers what it was promised: an acknowledged
 * write must be there at the end, one that was refused must not have happened, and only an unknown outcome may go either way.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiCall } from './api.ts';

/** A node that can be written through. */
export interface WriterTarget {
  readonly call: ApiCall;
  readonly isRunning: boolean;
}

export interface WriterReport {
  readonly acknowledged: readonly { readonly revision: number; readonly weight: number }[];
  readonly refused: number;
  readonly unknown: number;
  /** Weights that the backend may have at the end. */
  readonly possible: ReadonlySet<number>;
}

export class Writer {
  readonly #nodes: readonly WriterTarget[];
  readonly #backend: string;
  readonly #pauseMs: number;
  readonly #acknowledged: { revision: number; weight: number }[] = [];
  #possible = new Set<number>();
  #refused = 0;
  #unknown = 0;
  #running = true;
  #work: Promise<void> = Promise.resolve();

  constructor(nodes: readonly WriterTarget[], backend: string, pauseMs: number) {
    this.#nodes = nodes;
    this.#backend = backend;
    this.#pauseMs = pauseMs;
  }

  start(): this {
    this.#work = this.#loop();
    return this;
  }

  get acknowledgedCount(): number {
    return this.#acknowledged.length;
  }

  /** What was promised so far, oldest first. */
  get acknowledged(): WriterReport['acknowledged'] {
    return this.#acknowledged;
  }

  async stop(): Promise<WriterReport> {
    this.#running = false;
    await this.#work;
    return {
      acknowledged: this.#acknowledged,
      refused: this.#refused,
      unknown: this.#unknown,
      possible: this.#possible,
    };
  }

  async #loop(): Promise<void> {
    let weight = 100;
    while (this.#running) {
      // Each weight differs from the one before, so each acknowledged write is a revision of its own.
      weight = 1 + ((weight + 37) % 200);
      await this.#write(weight);
      await sleep(this.#pauseMs);
    }
  }

  async #write(weight: number): Promise<void> {
    const running = this.#nodes.filter((node) => node.isRunning);
    const node = running[Math.floor(Math.random() * running.length)];
    if (node === undefined) return;
    try {
      const { status, body } = await node.call('PATCH', `/v1/pools/api/backends/${this.#backend}?wait=commit`, {
        body: { weight },
      });
      if (status === 200) {
        this.#acknowledged.push({ revision: body.revision as number, weight });
        this.#possible = new Set([weight]);
      } else if (status === 503) this.#refused += 1;
      else this.#leaveOpen(weight);
    } catch (error) {
      // A node that is still starting: the request never left.
      const { code } = ((error as Error).cause ?? {}) as { code?: string };
      if (code === 'ECONNREFUSED') this.#refused += 1;
      else this.#leaveOpen(weight);
    }
  }

  #leaveOpen(weight: number): void {
    this.#unknown += 1;
    this.#possible.add(weight);
  }
}
