/**
 * What a backend keeps across table swaps: its place in shared memory, suspicion, latency, pooled connections.
 *
 * In-flight counts live in memory shared by all proxy threads of the node, so that least-connections and limits are true
 * for the node, not for one thread. One registry per proxy thread.
 */
import { BACKEND_SLOTS_MAX } from '@flotilla/shared';
import type { BackendSpec, SharedMemory } from '@flotilla/shared';
import type { BackendRuntime } from './table.ts';

/** Time constant of the latency average: what is older weighs less than 1/e. */
const LATENCY_DECAY_MS = 10_000;

/** Whether any backend of a pool needs to be passed over at all: lets the choosers skip the question for the whole pool. */
export interface PoolMark {
  /** The latest end of a suspicion in this pool. */
  suspectUntilMs: number;
  locallyDownCount: number;
}

export interface InFlightCounts {
  /** Int32 per slot, all threads together. */
  readonly inFlight: Int32Array;
  /** Int32 per slot, this thread alone. */
  readonly own: Int32Array;
}

/** The counts of a proxy thread of a node. */
export function sharedCounts(memory: SharedMemory, threadId: number): InFlightCounts {
  const rowBytes = BACKEND_SLOTS_MAX * Int32Array.BYTES_PER_ELEMENT;
  const own =
    memory.inFlightByThread === undefined
      ? new Int32Array(BACKEND_SLOTS_MAX)
      : new Int32Array(memory.inFlightByThread, threadId * rowBytes, BACKEND_SLOTS_MAX);
  return { inFlight: new Int32Array(memory.inFlight), own };
}

/** Counts of nobody else, for tables that serve no traffic and for tests. */
export function privateCounts(slotCount: number): InFlightCounts {
  return { inFlight: new Int32Array(slotCount), own: new Int32Array(slotCount) };
}

export class RuntimeRegistry {
  readonly #inFlight: Int32Array;
  /** This thread's part of it; see SharedMemory. */
  readonly #own: Int32Array;
  readonly #runtimes = new Map<string, SharedRuntime>();
  readonly #marks = new Map<string, PoolMark>();
  readonly #retire: (runtime: BackendRuntime) => void;

  /** `retire` is told of every runtime whose backend left the table, to let go of its pooled connections. */
  constructor(counts: InFlightCounts, retire: (runtime: BackendRuntime) => void = () => {}) {
    this.#inFlight = counts.inFlight;
    this.#own = counts.own;
    this.#retire = retire;
  }

  get(pool: string, spec: BackendSpec): BackendRuntime {
    const key = `${pool}/${spec.id}/${spec.host}:${spec.port}#${spec.slot}`;
    let runtime = this.#runtimes.get(key);
    if (runtime === undefined) {
      runtime = new SharedRuntime(key, {
        counts: this.#inFlight,
        own: this.#own,
        slot: spec.slot,
        mark: this.mark(pool),
      });
      this.#runtimes.set(key, runtime);
    }
    return runtime;
  }

  mark(pool: string): PoolMark {
    let mark = this.#marks.get(pool);
    if (mark === undefined) {
      mark = { suspectUntilMs: 0, locallyDownCount: 0 };
      this.#marks.set(pool, mark);
    }
    return mark;
  }

  /** Lets go of all that `keep` does not name. Work in flight on them goes on: its connections hold the runtime. */
  sweep(keep: ReadonlySet<BackendRuntime>): void {
    if (keep.size === this.#runtimes.size) return;
    for (const [key, runtime] of this.#runtimes) {
      if (keep.has(runtime)) continue;
      runtime.locallyDown = false;
      this.#runtimes.delete(key);
      this.#retire(runtime);
    }
  }

  values(): Iterable<BackendRuntime> {
    return this.#runtimes.values();
  }
}

interface Place {
  readonly counts: Int32Array;
  readonly own: Int32Array;
  readonly slot: number;
  readonly mark: PoolMark;
}

class SharedRuntime implements BackendRuntime {
  readonly key: string;
  upstream: unknown = null;
  consecutiveErrors = 0;
  readonly #counts: Int32Array;
  readonly #own: Int32Array;
  readonly #slot: number;
  readonly #mark: PoolMark;
  #suspectUntilMs = 0;
  #locallyDown = false;
  #averageMs = 0;
  #averageAtMs = 0;

  constructor(key: string, place: Place) {
    this.key = key;
    this.#counts = place.counts;
    this.#own = place.own;
    this.#slot = place.slot;
    this.#mark = place.mark;
  }

  get suspectUntilMs(): number {
    return this.#suspectUntilMs;
  }

  set suspectUntilMs(untilMs: number) {
    this.#suspectUntilMs = untilMs;
    this.#mark.suspectUntilMs = Math.max(this.#mark.suspectUntilMs, untilMs);
  }

  get locallyDown(): boolean {
    return this.#locallyDown;
  }

  set locallyDown(down: boolean) {
    if (down === this.#locallyDown) return;
    this.#locallyDown = down;
    this.#mark.locallyDownCount += down ? 1 : -1;
  }

  inFlight(): number {
    return this.#counts[this.#slot] as number;
  }

  // Own row first when adding and last when taking away: should the thread die between, a count is lost, never left over.
  begin(): void {
    this.#own[this.#slot] = (this.#own[this.#slot] as number) + 1;
    Atomics.add(this.#counts, this.#slot, 1);
  }

  end(): void {
    Atomics.sub(this.#counts, this.#slot, 1);
    this.#own[this.#slot] = (this.#own[this.#slot] as number) - 1;
  }

  observeLatency(latencyMs: number, nowMs: number): void {
    const decayed = this.latencyMs(nowMs);
    // A peak counts at once and fades; a fast answer only pulls the average down slowly.
    const keep = Math.exp(-Math.max(0, nowMs - this.#averageAtMs) / LATENCY_DECAY_MS);
    this.#averageMs = latencyMs > decayed ? latencyMs : this.#averageMs * keep + latencyMs * (1 - keep);
    this.#averageAtMs = nowMs;
  }

  latencyMs(nowMs: number): number {
    if (this.#averageMs === 0) return 0;
    return this.#averageMs * Math.exp(-Math.max(0, nowMs - this.#averageAtMs) / LATENCY_DECAY_MS);
  }
}
