/**
 * From changes of the replicated state to what the proxy threads get: the whole picture where its shape changed, one
 * small delta where only backends' numbers did. Everything that one turn of the loop applied travels together.
 *
 * Nothing is published before the state has reached what this node knew to be committed when it started: replaying the
 * log must not serve yesterday's configurations one after the other.
 */
import type { BackendDelta, RoutingSnapshot } from '@flotilla/shared';
import { backendDelta, type BackendKey, type Changes, compileRouting, type ReadonlyState } from '../state/index.ts';
import type { Publisher } from './publisher.ts';

export class Feed {
  readonly #state: () => ReadonlyState;
  readonly #publisher: Publisher;
  readonly #onSnapshot: (snapshot: RoutingSnapshot) => void;
  #opened = false;
  #scheduled = false;
  #whole = false;
  readonly #backends = new Map<string, BackendKey>();
  #cached: RoutingSnapshot | null = null;

  /** `onSnapshot`: the shape changed (targets of probes, listeners …). */
  constructor(state: () => ReadonlyState, publisher: Publisher, onSnapshot: (snapshot: RoutingSnapshot) => void) {
    this.#state = state;
    this.#publisher = publisher;
    this.#onSnapshot = onSnapshot;
  }

  get opened(): boolean {
    return this.#opened;
  }

  /** The state is as new as this node can know by itself: serve it, at once. */
  open(): void {
    if (this.#opened) return;
    this.#opened = true;
    this.#publishWhole();
  }

  /** The newest whole picture; null before there is one to serve. */
  current(): RoutingSnapshot | null {
    if (!this.#opened) return null;
    this.#cached ??= compileRouting(this.#state());
    return this.#cached;
  }

  /** The state was replaced by a snapshot of another node. */
  replaced(): void {
    this.#cached = null;
    this.#whole = true;
    this.#schedule();
  }

  changed(changes: Changes): void {
    if (!changes.config && !changes.revision && changes.backends.length === 0) return;
    this.#cached = null;
    if (changes.config) this.#whole = true;
    for (const key of changes.backends) this.#backends.set(`${key.pool}/${key.id}`, key);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || !this.#opened) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#whole) this.#publishWhole();
      else this.#publishDelta();
    });
  }

  #publishWhole(): void {
    this.#whole = false;
    this.#backends.clear();
    const snapshot = this.current();
    if (snapshot === null) return;
    this.#publisher.publishSnapshot(snapshot);
    this.#onSnapshot(snapshot);
  }

  #publishDelta(): void {
    const state = this.#state();
    const backends: BackendDelta[] = [];
    for (const { pool, id } of this.#backends.values()) {
      const delta = backendDelta(state, pool, id);
      if (delta !== undefined) backends.push(delta);
    }
    this.#backends.clear();
    const { index, revision, logTimeMs } = state.meta;
    this.#publisher.publishDelta({ index, revision, logTimeMs, backends });
  }
}
