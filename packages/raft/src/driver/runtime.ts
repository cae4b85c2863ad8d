/**
 * The engine of a node: one queue of events, one core, one executor. Events enter from the network, the disk, the ticker
 * and callers; the core answers with effects; they are performed here, in order, and nowhere else.
 *
 * One drain per loop turn: everything that arrived meanwhile is stepped before anything waits for the disk again, which is
 * what makes batches of single proposals.
 */
import { createCore } from '../core/raft.ts';
import type { Effect } from '../core/effects.ts';
import type { Event } from '../core/events.ts';
import type { RaftCore } from '../core/port.ts';
import type { Message } from '../core/messages.ts';
import type { ConfState, Entry, Index, ReplicaId, SnapshotMeta } from '../core/types.ts';
import { entryBytes } from '../codec/entries.ts';
import { DEFAULT_CORE_CONFIG } from '../core/config.ts';
import { Applier } from './applier.ts';
import { Confs } from './confs.ts';
import { DiskWatch } from './disk-watch.ts';
import { RaftError } from './errors.ts';
import * as limits from './limits.ts';
import { Links } from './links.ts';
import type { RaftNodeEvents, RaftNodeOptions, RoleChange } from './options.ts';
import type { Outlook } from './pending.ts';
import { Persister } from './persister.ts';
import type { Persist } from './persister.ts';
import type { ApplyResult, Clock, RaftLogger, RaftMetrics } from './ports.ts';
import { Proposals } from './proposals.ts';
import { Reads } from './reads.ts';
import { Snapshots } from './snapshots.ts';
import { silentLogger, systemClock, systemRandom } from './system.ts';
import { Ticker } from './ticker.ts';

type Emit = <K extends keyof RaftNodeEvents>(name: K, value: RaftNodeEvents[K]) => void;

/** Sequence numbers of proposals and reads begin at random, so that none is used twice across restarts. */
const FIRST_SEQ_BOUND = 2 ** 47;

export class Runtime {
  readonly self: ReplicaId;
  readonly clock: Clock;
  readonly core: RaftCore;
  readonly proposals: Proposals;
  readonly reads: Reads;
  readonly applier: Applier;
  readonly snapshots: Snapshots;
  readonly disk: DiskWatch;
  readonly persister: Persister;
  readonly links: Links;
  role: RoleChange = { role: 'follower', term: 0, leader: null };
  /** Newest membership that the core announced. */
  conf: ConfState;
  /** Log index from which it is in force. */
  confIndex: Index;
  readonly #options: RaftNodeOptions;
  readonly #logger: RaftLogger;
  readonly #metrics: RaftMetrics;
  readonly #emit: Emit;
  readonly #ticker: Ticker;
  readonly #confs: Confs;
  #queue: Event[] = [];
  #draining = false;
  #scheduled = false;
  #stopped = false;

  constructor(options: RaftNodeOptions, self: ReplicaId, emit: Emit) {
    const { recovered, storage, transport, stateMachine } = options;
    this.#options = options;
    this.#emit = emit;
    this.self = self;
    this.clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    this.#metrics = options.metrics ?? {};
    const random = options.random ?? systemRandom;
    const shared = { storage, clock: this.clock, metrics: this.#metrics, logger: this.#logger };
    const config = { ...DEFAULT_CORE_CONFIG, ...limits.CORE_CONFIG, ...options.core };
    const snapshot = recovered.snapshot;
    this.conf = snapshot?.conf ?? recovered.initialConf;
    this.confIndex = snapshot?.index ?? 0;
    this.#confs = new Confs(snapshot?.index ?? 0, this.conf);
    this.core = createCore({
      self,
      seed: random.integer(2 ** 32),
      recovered: { ...recovered, conf: recovered.initialConf },
      mayVote: recovered.faults.length === 0,
      nowMs: this.clock.nowMs(),
      wallMs: this.clock.wallMs(),
      config,
    });
    this.proposals = new Proposals({
      self,
      firstSeq: 1 + random.integer(FIRST_SEQ_BOUND),
      commitSeconds: this.#metrics.commitSeconds,
    });
    this.reads = new Reads(1 + random.integer(FIRST_SEQ_BOUND));
    this.links = new Links(self, { everyMs: config.heartbeatMs, missed: this.#metrics.heartbeatsMissed });
    const onError = (error: unknown): void => this.fail(error);
    this.persister = new Persister({ ...shared, onDurable: (effects) => this.#durable(effects), onError });
    this.snapshots = new Snapshots({
      ...shared,
      transport,
      stateMachine,
      policy: {
        everyEntries: limits.SNAPSHOT_EVERY_ENTRIES_COUNT,
        everyLogBytes: limits.SNAPSHOT_EVERY_LOG_BYTES,
        trailingEntries: limits.SNAPSHOT_TRAILING_ENTRIES_COUNT,
        trailingBytes: limits.SNAPSHOT_TRAILING_MAX_BYTES,
        ...options.snapshots,
      },
      index: snapshot?.index ?? 0,
      enqueue: (event) => this.enqueue(event),
      onError,
    });
    this.applier = new Applier({
      ...shared,
      stateMachine,
      digestEvery: options.digestEvery ?? limits.DIGEST_EVERY_COUNT,
      applied: snapshot?.index ?? 0,
      appliedTerm: snapshot?.term ?? 0,
      onEntries: (entries, results) => this.#appliedEntries(entries, results),
      onApplied: (index, digest) => this.#applied(index, digest),
      restore: (meta) => this.snapshots.restore(meta),
      isReplacing: () => this.persister.installs,
      onRestored: (meta) => this.#restored(meta),
      onError,
    });
    this.disk = new DiskWatch({
      ...shared,
      stallMs: options.diskStallMs ?? config.electionMaxMs,
      minFreeBytes: options.minFreeBytes ?? limits.FREE_SPACE_MIN_BYTES,
    });
    this.#ticker = new Ticker(this.clock, config.heartbeatMs, {
      onStall: (gapMs) => this.#stalled(gapMs),
      onTime: () => this.#step({ type: 'time', nowMs: this.clock.nowMs(), wallMs: this.clock.wallMs() }),
      onHousekeeping: () => this.#housekeeping(),
    });
  }

  get outlook(): Outlook {
    return { leader: this.role.leader, quorumReachable: this.links.reachesQuorum(this.conf) };
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  async start(): Promise<void> {
    const { transport } = this.#options;
    this.#ticker.start();
    this.enqueue({ type: 'time', nowMs: this.clock.nowMs(), wallMs: this.clock.wallMs() });
    await transport.start({
      onMessage: (from, message) => this.#received(from, message),
      onLinkUp: (peer) => {
        this.links.up(peer);
        this.enqueue({ type: 'link-up', nowMs: this.clock.nowMs(), peer });
      },
      onLinkDown: (peer, reset) => {
        this.links.down(peer);
        this.enqueue({ type: 'link-down', nowMs: this.clock.nowMs(), peer, reset });
      },
      onSnapshot: (inbound) => this.snapshots.receive(inbound),
    });
  }

  enqueue(event: Event): void {
    this.#queue.push(event);
    this.schedule();
  }

  /** Something waits: drain after the I/O of this turn was read. */
  schedule(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.clock.immediate(() => {
      this.#scheduled = false;
      this.#drain();
    });
  }

  /** Ends everything for good; waiting callers are told. The disk is left to `close`. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#ticker.stop();
    this.applier.stop();
    this.proposals.stop();
    this.reads.stop();
    this.#queue = [];
  }

  /** The node cannot go on. */
  fail(error: unknown): void {
    if (this.#stopped) return;
    this.stop();
    const known = error instanceof RaftError;
    const raftError = known ? error : new RaftError('STOPPED', `raft stopped: ${String(error)}`, { cause: error });
    this.#logger.error({ code: raftError.code, reason: raftError.message }, 'raft stops');
    void this.#options.transport.close().catch((failure: unknown) => {
      this.#logger.warn({ reason: String(failure) }, 'transport did not close');
    });
    this.#emit('halt', raftError);
  }

  saveSnapshot(): Promise<void> {
    const { index, term } = this.applier;
    return this.snapshots.save(index, term, this.#confs.at(index));
  }

  #received(from: ReplicaId, message: Message): void {
    const nowMs = this.clock.nowMs();
    this.links.heard(from, message, nowMs);
    this.enqueue({ type: 'receive', nowMs, wallMs: this.clock.wallMs(), from, message });
  }

  #drain(): void {
    if (this.#draining || this.#stopped) return;
    this.#draining = true;
    let applied = false;
    try {
      while (!this.#stopped) {
        if (this.#queue.length === 0) this.#collect();
        if (this.#queue.length === 0) {
          // Last of all, so that no message waits for it; one slice, so that sockets are served before the next.
          if (applied || !this.applier.run()) break;
          applied = true;
        }
        const events = this.#queue;
        this.#queue = [];
        for (const event of events) {
          if (this.#stopped) return;
          this.#perform(this.core.step(event));
        }
      }
    } catch (error) {
      this.fail(error);
    } finally {
      this.#draining = false;
    }
  }

  #step(event: Event): void {
    this.#queue.push(event);
    this.#drain();
  }

  /** Turns what callers submitted into events. */
  #collect(): void {
    const nowMs = this.clock.nowMs();
    if (this.proposals.ready) {
      const wallMs = this.clock.wallMs();
      const { proposals, changes } = this.proposals.take();
      if (proposals.length > 0) this.#queue.push({ type: 'propose', nowMs, wallMs, proposals });
      for (const { seq, change } of changes) this.#queue.push({ type: 'propose-conf', nowMs, wallMs, seq, change });
    }
    const seq = this.reads.take(nowMs);
    if (seq !== null) this.#queue.push({ type: 'read-index', nowMs, seq });
  }

  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      switch (effect.type) {
        case 'persist':
          this.persister.add(effect);
          break;
        case 'send':
          this.#send(effect);
          break;
        case 'send-snapshot':
          this.snapshots.send(effect);
          break;
        case 'apply':
          this.applier.add(effect.entries);
          break;
        case 'restore':
          this.applier.restore(effect.meta);
          break;
        case 'proposed':
          this.proposals.outcomes(effect.outcomes, this.clock.nowMs(), this.outlook);
          break;
        case 'read-ready':
          this.reads.ready(effect.seq, effect.index, this.applier.index);
          break;
        case 'read-failed':
          this.reads.failed({ ...effect, nowMs: this.clock.nowMs(), outlook: this.outlook });
          break;
        case 'role':
          this.#roleChanged(effect);
          break;
        case 'conf':
          this.conf = effect.conf;
          this.confIndex = effect.index;
          this.#confs.set(effect.index, effect.conf);
          this.#emit('conf', { index: effect.index, conf: effect.conf });
          break;
        case 'diverged':
          this.#logger.error({ ...effect }, 'a replica diverged: same index, other state');
          this.#emit('diverged', effect);
          break;
        case 'wake-at':
          this.#ticker.wakeAt(effect.atMs);
          break;
        case 'halt':
          this.fail(new RaftError('STOPPED', `invariant broken: ${effect.reason}`));
          return;
      }
    }
  }

  /** Requests of our callers that surely never left are not lost: they wait for a better moment. */
  #send(effect: Extract<Effect, { type: 'send' }>): void {
    const { to, message, lane } = effect;
    const left = this.#options.transport.send(to, message, lane);
    if (message.type === 'forward') {
      const seqs = message.proposals.map(({ seq }) => seq);
      this.proposals.forwarded(seqs, message.term, left, this.clock.nowMs());
    } else if (message.type === 'forward-conf') {
      this.proposals.forwarded([message.seq], message.term, left, this.clock.nowMs());
    }
  }

  #durable(effects: readonly Persist[]): void {
    try {
      for (const effect of effects) {
        if (this.#stopped) return;
        this.#perform(effect.release);
        this.#queue.push({ type: 'persisted', nowMs: this.clock.nowMs(), io: effect.io });
      }
    } catch (error) {
      this.fail(error);
    }
    this.#drain();
  }

  #roleChanged(change: RoleChange): void {
    const { role, term, leader } = change;
    const before = this.role;
    this.role = { role, term, leader };
    if (leader !== before.leader) {
      this.#metrics.leaderChange?.();
      this.#logger.info({ role, term, leader }, leader === null ? 'no leader' : 'leader known');
    }
    if (leader !== null) {
      this.proposals.retry(this.clock.nowMs(), true);
      this.reads.sweep(this.clock.nowMs(), true, this.outlook);
      this.schedule();
    }
    this.#emit('role', this.role);
  }

  #appliedEntries(entries: readonly Entry[], results: readonly ApplyResult[]): void {
    const nowMs = this.clock.nowMs();
    let bytes = 0;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i] as Entry;
      bytes += entryBytes(entry);
      this.proposals.applied(entry, results[i], nowMs);
    }
    this.snapshots.grew(entries.at(-1)?.index ?? 0, bytes);
  }

  #applied(index: number, digest: string): void {
    const last = this.#queue.at(-1);
    const event: Event = {
      type: 'applied',
      nowMs: this.clock.nowMs(),
      wallMs: this.clock.wallMs(),
      index,
      digest,
    };
    if (last?.type === 'applied' && last.digest === '') this.#queue[this.#queue.length - 1] = event;
    else this.#queue.push(event);
    this.schedule();
    this.reads.applied(index);
    this.#emit('applied', index);
    if (digest !== '') this.#emit('checkpoint', { index, digest });
    this.snapshots.maybeSave(index, this.applier.term, () => this.#confs.at(index));
  }

  #restored(meta: SnapshotMeta): void {
    this.#logger.info({ index: meta.index }, 'state replaced by a snapshot');
    this.snapshots.installed(meta.index);
    this.proposals.skippedTo(meta.term);
  }

  #stalled(gapMs: number): void {
    this.#metrics.stallMs?.(gapMs);
    this.#logger.warn({ gapMs: Math.round(gapMs) }, 'the event loop stalled');
    this.#step({ type: 'stall', nowMs: this.clock.nowMs(), gapMs });
  }

  #housekeeping(): void {
    const nowMs = this.clock.nowMs();
    this.proposals.retry(nowMs, false);
    this.proposals.expire(nowMs, this.outlook);
    this.reads.sweep(nowMs, false, this.outlook);
    const disk = this.disk.check(nowMs, this.persister.overdueMs(nowMs));
    if (disk) this.#queue.push({ type: 'disk', nowMs, ...disk });
    this.#drain();
  }
}
