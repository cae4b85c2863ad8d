/**
 * When a snapshot is taken, sent and received. Capturing is one synchronous step beside the applied index; everything
 * after that runs in the background. At most one snapshot is written, one received and a few sent at a time.
 */
import type { Effect } from '../core/effects.ts';
import type { Event } from '../core/events.ts';
import type { ConfState, Index, SnapshotMeta, Term } from '../core/types.ts';
import { RaftError } from './errors.ts';
import { SNAPSHOT_SENDS_MAX_COUNT } from './limits.ts';
import type { Clock, InboundSnapshot, RaftLogger, RaftMetrics, StateMachine, Storage, Transport } from './ports.ts';
import { Trailing } from './trailing.ts';

export interface SnapshotPolicy {
  /** A snapshot after this many applied entries … */
  readonly everyEntries: number;
  /** … or this many bytes of log, whichever comes first. */
  readonly everyLogBytes: number;
  /** Entries kept behind it … */
  readonly trailingEntries: number;
  /** … as far as they are no more bytes of log than this. */
  readonly trailingBytes: number;
}

export interface SnapshotsOptions {
  readonly storage: Storage;
  readonly transport: Transport;
  readonly stateMachine: StateMachine;
  readonly clock: Clock;
  readonly logger: RaftLogger;
  readonly metrics: RaftMetrics;
  readonly policy: SnapshotPolicy;
  /** Index of the snapshot that the store holds. */
  readonly index: Index;
  readonly enqueue: (event: Event) => void;
  /** Our own disk failed. */
  readonly onError: (error: unknown) => void;
}

export class Snapshots {
  readonly #options: SnapshotsOptions;
  readonly #trailing: Trailing;
  #index: Index;
  #bytesSince = 0;
  #saving: Promise<void> | null = null;
  #receiving = false;
  #sends = 0;
  #stopped = false;

  constructor(options: SnapshotsOptions) {
    this.#options = options;
    this.#trailing = new Trailing(options.policy.trailingEntries, options.policy.trailingBytes);
    this.#index = options.index;
  }

  /** So many bytes of log were applied, up to `index`; they count towards the next snapshot. */
  grew(index: Index, bytes: number): void {
    this.#bytesSince += bytes;
    this.#trailing.grew(index, bytes);
  }

  /** Replaces the state machine by this snapshot and checks that it became what the snapshot says. */
  async restore(meta: SnapshotMeta): Promise<void> {
    const { stateMachine, storage } = this.#options;
    await stateMachine.restore(meta, storage.readSnapshot(meta));
    const digest = stateMachine.digest();
    if (digest !== meta.digest) {
      throw new RaftError('DAMAGED', `snapshot ${meta.index} restored to digest ${digest}, should be ${meta.digest}`);
    }
  }

  /** After a restore: the log begins anew. */
  installed(index: Index): void {
    this.#index = Math.max(this.#index, index);
    this.#bytesSince = 0;
  }

  /** Takes a snapshot if it is due. Must be called synchronously after `index` was applied. */
  maybeSave(index: Index, term: Term, conf: () => ConfState): void {
    const { everyEntries, everyLogBytes } = this.#options.policy;
    if (index - this.#index < everyEntries && this.#bytesSince < everyLogBytes) return;
    void this.save(index, term, conf());
  }

  /** Takes a snapshot now; joins the one under way. Never rejects: a failing disk ends the node by `onError`. */
  async save(index: Index, term: Term, conf: ConfState): Promise<void> {
    if (this.#saving) return this.#saving;
    if (this.#stopped || index <= this.#index) return;
    const { storage, stateMachine, clock, logger, metrics, enqueue, onError } = this.#options;
    const startedMs = clock.nowMs();
    const captured = stateMachine.capture();
    const compactTo = this.#trailing.compactTo(index);
    const meta = { index, term, conf, digest: captured.digest, sizeBytes: captured.sizeBytes };
    this.#index = index;
    this.#bytesSince = 0;
    this.#saving = storage.saveSnapshot(meta, captured.chunks, compactTo).then(
      (saved) => {
        this.#saving = null;
        const seconds = (clock.nowMs() - startedMs) / 1000;
        metrics.snapshotSaved?.(seconds, saved.sizeBytes);
        logger.info({ index, sizeBytes: saved.sizeBytes, seconds }, 'snapshot saved');
        // One that was installed meanwhile stays the current one; the core knows it, and may not have applied it yet.
        if (this.#stopped || saved.index !== index) return;
        enqueue({ type: 'snapshot-saved', nowMs: clock.nowMs(), meta: saved, compactTo });
      },
      (error: unknown) => {
        this.#saving = null;
        if (!this.#stopped) onError(error);
      },
    );
    return this.#saving;
  }

  send(effect: Extract<Effect, { type: 'send-snapshot' }>): void {
    const { to, term, meta } = effect;
    const { storage, transport, clock, logger, metrics, enqueue } = this.#options;
    const done = (ok: boolean): void => {
      metrics.snapshotTransferred?.('out', ok);
      if (!this.#stopped) enqueue({ type: 'snapshot-sent', nowMs: clock.nowMs(), to, index: meta.index, ok });
    };
    if (this.#sends >= SNAPSHOT_SENDS_MAX_COUNT) {
      clock.immediate(() => done(false));
      return;
    }
    this.#sends++;
    logger.info({ to, index: meta.index, sizeBytes: meta.sizeBytes }, 'sending a snapshot');
    transport
      .sendSnapshot(to, term, meta, (offsetBytes) => storage.readSnapshot(meta, offsetBytes))
      .then(
        () => {
          this.#sends--;
          done(true);
        },
        (error: unknown) => {
          this.#sends--;
          logger.warn(
            { to, index: meta.index, reason: String(error) },
            'snapshot was not delivered; it will be resumed',
          );
          done(false);
        },
      );
  }

  /** A peer streams a snapshot. Rejects to refuse it. */
  async receive(inbound: InboundSnapshot): Promise<void> {
    if (this.#stopped) throw new RaftError('STOPPED', 'this node is stopping');
    if (this.#receiving) throw new RaftError('OVERLOADED', 'another snapshot is being received');
    const { storage, clock, logger, metrics, enqueue, onError } = this.#options;
    const { from, term, meta } = inbound;
    this.#receiving = true;
    let ok = false;
    try {
      const sink = await storage.receiveSnapshot(meta);
      logger.info({ from, index: meta.index, sizeBytes: meta.sizeBytes, at: sink.offsetBytes }, 'receiving a snapshot');
      inbound.resumeAt(sink.offsetBytes);
      for await (const chunk of inbound.chunks) await sink.write(chunk);
      await sink.finish();
      ok = true;
    } catch (error) {
      // Our own disk failed: refusing the sender for ever would leave a member that lives and never catches up.
      if (error instanceof RaftError && error.code === 'DISK' && !this.#stopped) onError(error);
      throw error;
    } finally {
      this.#receiving = false;
      metrics.snapshotTransferred?.('in', ok);
    }
    if (!this.#stopped) enqueue({ type: 'snapshot-received', nowMs: clock.nowMs(), from, term, meta });
  }

  /** Lets the snapshot under way finish; begins no other. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#saving;
  }
}
