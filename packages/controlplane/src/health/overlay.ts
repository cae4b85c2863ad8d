/**
 * While the cluster cannot decide, a node routes round what its own probes cannot reach. Local only, and gone as soon as
 * there is a quorum again: verdicts are the cluster's.
 */
import { overlayAfterMs } from '../limits.ts';
import type { BackendRef, Publisher } from '../publish/publisher.ts';
import type { Prober } from './prober.ts';

export class Overlay {
  readonly #prober: Prober;
  readonly #publisher: Publisher;
  #withoutSinceMs: number | null = null;
  /** What the threads were told last; null: nothing yet, and they may still follow a control thread that died. */
  #shown: string | null = null;

  constructor(prober: Prober, publisher: Publisher) {
    this.#prober = prober;
    this.#publisher = publisher;
  }

  update(quorum: boolean, nowMs: number): void {
    if (quorum) this.#withoutSinceMs = null;
    else this.#withoutSinceMs ??= nowMs;
    const stale = this.#withoutSinceMs !== null && nowMs - this.#withoutSinceMs >= overlayAfterMs;
    const down: BackendRef[] = [];
    if (stale) for (const { pool, backend, ok } of this.#prober.opinions()) if (!ok) down.push({ pool, id: backend });
    const shown = JSON.stringify(down);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#publisher.setOverlay(down);
  }
}
