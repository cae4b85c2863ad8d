/**
 * What a leader knows of one other replica, and how fast it may send to it (etcd's probe / replicate / snapshot machine).
 *
 * probe: the follower's log is uncertain, one message per answer. replicate: appends flow ahead of their answers, within
 * the in-flight window. snapshot: the log it needs is gone, a snapshot is on its way and no appends are sent.
 */
import type { CoreConfig } from './config.ts';
import type { PeerState } from './port.ts';
import type { Index } from './types.ts';

/** Appends under way, oldest first, bounded by count and bytes. */
class Inflights {
  #indexes: Index[] = [];
  #sizes: number[] = [];
  #head = 0;
  #bytes = 0;

  get count(): number {
    return this.#indexes.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(lastIndex: Index, bytes: number): void {
    this.#indexes.push(lastIndex);
    this.#sizes.push(bytes);
    this.#bytes += bytes;
  }

  /** Frees every message that ended at `index` or before. */
  freeTo(index: Index): void {
    while (this.#head < this.#indexes.length && (this.#indexes[this.#head] ?? 0) <= index) {
      this.#bytes -= this.#sizes[this.#head] ?? 0;
      this.#head += 1;
    }
    if (this.#head === this.#indexes.length) this.clear();
    else if (this.#head > 1024) {
      this.#indexes = this.#indexes.slice(this.#head);
      this.#sizes = this.#sizes.slice(this.#head);
      this.#head = 0;
    }
  }

  clear(): void {
    this.#indexes = [];
    this.#sizes = [];
    this.#head = 0;
    this.#bytes = 0;
  }
}

export class Progress {
  /** Highest index known to be on the follower's disk and equal to ours. Never falls while we lead. */
  match: Index = 0;
  /** Next index to send. Invariant: match < next. */
  next: Index;
  state: PeerState = 'probe';
  /** probe: an append is unanswered; wait for its answer, or for a heartbeat's. */
  paused = false;
  /** snapshot: index of the snapshot on its way. */
  pendingSnapshot: Index = 0;
  /** Highest commit index that we sent it. */
  sentCommit: Index = 0;
  /** Highest read sequence that it confirmed; a counter, not a set, so a late or repeated answer can confirm nothing new. */
  readAck = 0;
  lastContactMs: number;
  readonly inflights = new Inflights();

  constructor(next: Index, nowMs: number) {
    this.next = next;
    this.lastContactMs = nowMs;
  }

  becomeProbe(): void {
    // After a snapshot the log to send begins behind it.
    this.next = Math.max(this.match, this.state === 'snapshot' ? this.pendingSnapshot : 0) + 1;
    this.#enter('probe');
  }

  becomeReplicate(): void {
    this.next = this.match + 1;
    this.#enter('replicate');
  }

  becomeSnapshot(index: Index): void {
    this.#enter('snapshot');
    this.pendingSnapshot = index;
  }

  #enter(state: PeerState): void {
    this.state = state;
    this.paused = false;
    this.pendingSnapshot = 0;
    this.inflights.clear();
  }

  windowFull(config: CoreConfig): boolean {
    return this.inflights.count >= config.maxInflightMessages || this.inflights.bytes >= config.maxInflightBytes;
  }

  /** Records an append of entries up to `lastIndex`. */
  sent(lastIndex: Index, bytes: number): void {
    if (this.state === 'replicate') {
      this.next = lastIndex + 1;
      this.inflights.add(lastIndex, bytes);
    } else {
      this.paused = true;
    }
  }

  /** True where the acknowledgement told something new. */
  acknowledged(index: Index): boolean {
    this.inflights.freeTo(index);
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.paused = false;
    return true;
  }

  /**
   * The append behind `rejected` was refused; `hint` is where the logs may agree at best. False where the refusal is of
   * an older message than those that count.
   */
  refused(rejected: Index, hint: Index): boolean {
    if (this.state === 'replicate') {
      if (rejected <= this.match) return false;
      this.becomeProbe();
      return true;
    }
    if (this.state !== 'probe' || this.next - 1 !== rejected) return false;
    this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
    this.paused = false;
    return true;
  }
}
