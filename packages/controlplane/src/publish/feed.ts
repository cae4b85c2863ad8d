/**
 * From changes of the replicated state to what the proxy threads get: the whole picture where its shape changed, one
 * small delta where only backends' numbers did. Everything that one slice of entries changed travels together; numbers for
 * which nobody waits travel together for longer, since each message wakes every proxy thread.
 *
 * Nothing is published before the state has reached what this node knew to be committed when it started: replaying the
 * log must not serve yesterday's configurations one after the other.
 */
import type { BackendDelta, RoutingSnapshot } from '@flotilla/shared';
import { backendDelta, type BackendKey, type Changes, compileRouting, type ReadonlyState } from '../state/index.ts';
import { publishDelayMs, publishEveryMs } from '../limits.ts';
import type { CertificateOpener } from '../secrets/certificate-opener.ts';
import type { Publisher } from './publisher.ts';

export interface FeedOptions {
  readonly state: () => ReadonlyState;
  readonly publisher: Publisher;
  readonly opener: CertificateOpener;
  /** The shape changed (targets of probes, listeners …). */
  readonly onSnapshot: (snapshot: RoutingSnapshot) => void;
}

export class Feed {
  readonly #state: () => ReadonlyState;
  readonly #publisher: Publisher;
  readonly #opener: CertificateOpener;
  readonly #onSnapshot: (snapshot: RoutingSnapshot) => void;
  #opened = false;
  #scheduled = false;
  /** Numbers wait to be published. */
  #delayed = false;
  /** When they are at the latest; may find that they were. */
  #timer: NodeJS.Timeout | null = null;
  /** When numbers were last published. */
  #publishedMs = -Infinity;
  #whole = false;
  readonly #backends = new Map<string, BackendKey>();
  #cached: RoutingSnapshot | null = null;

  constructor({ state, publisher, opener, onSnapshot }: FeedOptions) {
    this.#state = state;
    this.#publisher = publisher;
    this.#opener = opener;
    this.#onSnapshot = onSnapshot;
  }

  /** What of the picture this node cannot serve, and why. */
  get faults(): readonly string[] {
    return this.#opener.faults;
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
    this.#cached ??= this.#compile();
    return this.#cached;
  }

  /** The state holds private keys encrypted only: here they are decrypted, on the way to the threads that use them. */
  #compile(): RoutingSnapshot {
    const snapshot = compileRouting(this.#state());
    return { ...snapshot, certificates: this.#opener.open(snapshot.certificates) };
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
    if (this.#whole) return this.#schedule();
    this.#delay();
    if (this.#publisher.isAwaited) this.flush();
  }

  /** Somebody waits for what was changed so far: publishes it at once. */
  flush(): void {
    if (!this.#delayed || this.#whole) return;
    this.#delayed = false;
    this.#publishDelta();
  }

  #delay(): void {
    if (this.#delayed || !this.#opened) return;
    this.#delayed = true;
    if (this.#timer !== null) return;
    const waitMs = Math.max(publishDelayMs, this.#publishedMs + publishEveryMs - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.flush();
    }, waitMs);
  }

  #schedule(): void {
    if (this.#scheduled || !this.#opened) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (this.#whole) this.#publishWhole();
    });
  }

  #publishWhole(): void {
    this.#whole = false;
    this.#delayed = false;
    this.#backends.clear();
    const snapshot = this.current();
    if (snapshot === null) return;
    this.#publisher.publishSnapshot(snapshot);
    this.#onSnapshot(snapshot);
  }

  #publishDelta(): void {
    this.#publishedMs = performance.now();
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
