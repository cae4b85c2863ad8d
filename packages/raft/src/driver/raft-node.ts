/**
 * One member of a raft group: what callers use. Commands go in, results of their application come out; everything between
 * is the runtime's. Not a singleton, owns no process: `halt` tells the owner when it must end.
 */
import type { ConfChange, Index, ReplicaId } from '../core/types.ts';
import { RaftError } from './errors.ts';
import {
  HAND_OVER_LOOK_MS,
  PROPOSAL_MAX_BYTES,
  PROPOSAL_TIMEOUT_MS,
  READ_TIMEOUT_MS,
  SETTLE_MS,
  TRANSFER_TIMEOUT_MS,
} from './limits.ts';
import type { RaftNodeEvents, RaftNodeOptions, RaftStatus } from './options.ts';
import { raftError } from './pending.ts';
import type { Committed } from './proposals.ts';
import type { PeerAddress } from './ports.ts';
import { Runtime } from './runtime.ts';

export interface TimeoutOption {
  readonly timeoutMs?: number;
}

const NO_BYTES = new Uint8Array(0);

export class RaftNode {
  readonly replica: ReplicaId;
  readonly clusterId: string;
  readonly #options: RaftNodeOptions;
  readonly #runtime: Runtime;
  readonly #listeners: { [K in keyof RaftNodeEvents]: Set<(value: RaftNodeEvents[K]) => void> } = {
    role: new Set(),
    applied: new Set(),
    checkpoint: new Set(),
    conf: new Set(),
    diverged: new Set(),
    halt: new Set(),
  };
  #state: 'new' | 'open' | 'closing' | 'closed' = 'new';
  #closed: Promise<void> | null = null;

  /** Throws DAMAGED where the store is damaged or belongs to no cluster yet (see `formCluster`). */
  constructor(options: RaftNodeOptions) {
    const { identity, faults } = options.recovered;
    if (faults.length > 0) throw new RaftError('DAMAGED', `the store is damaged: ${faults.join('; ')}`);
    if (identity === null) throw new RaftError('DAMAGED', 'the store belongs to no cluster yet');
    this.replica = identity.replica;
    this.clusterId = identity.clusterId;
    this.#options = options;
    this.#runtime = new Runtime(options, identity.replica, (name, value) => this.#emit(name, value));
  }

  /** Subscribes; answers how to unsubscribe. Subscribe before `open` to miss nothing. */
  on<K extends keyof RaftNodeEvents>(name: K, listener: (value: RaftNodeEvents[K]) => void): () => void {
    const listeners = this.#listeners[name];
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  /** Restores the state machine from the newest snapshot and takes part in the cluster. */
  async open(): Promise<void> {
    if (this.#state !== 'new') throw new RaftError('STOPPED', `cannot open: the node is ${this.#state}`);
    this.#state = 'open';
    const { snapshot } = this.#options.recovered;
    if (snapshot !== null) await this.#runtime.snapshots.restore(snapshot);
    await this.#runtime.start();
  }

  /**
   * Proposes a command from any node; resolves when it is committed and applied here. Rejects with NO_LEADER, NO_QUORUM,
   * OVERLOADED, DISK_FULL or STOPPED when nothing happened, with UNKNOWN_OUTCOME when that cannot be told.
   */
  propose(data: Uint8Array, options: TimeoutOption = {}): Promise<Committed> {
    if (data.length > PROPOSAL_MAX_BYTES) {
      return Promise.reject(new RaftError('TOO_LARGE', `a command has at most ${PROPOSAL_MAX_BYTES} bytes`));
    }
    return this.#submit(data, null, options);
  }

  /**
   * Changes the membership; resolves when the change's entry is applied here. `once`: it follows from the membership of this
   * moment, and is given up where leadership changes before it is appended.
   */
  changeMembership(change: ConfChange, options: TimeoutOption & { readonly once?: boolean } = {}): Promise<Committed> {
    return this.#submit(NO_BYTES, change, options);
  }

  /** A linearizable read position: state read after this resolves holds every write acknowledged before the call. */
  readIndex(options: TimeoutOption = {}): Promise<Index> {
    return new Promise((resolve, reject) => {
      if (this.#state !== 'open' || this.#runtime.stopped) return reject(raftError('STOPPED', null));
      const deadlineMs = this.#runtime.clock.nowMs() + (options.timeoutMs ?? READ_TIMEOUT_MS);
      this.#runtime.reads.submit({ resolve, reject, deadlineMs });
      this.#runtime.schedule();
    });
  }

  /** Hands leadership over, to the most caught-up voter where `to` is not given. Resolves with the new leader. */
  async transferLeadership(to: ReplicaId | null = null, options: TimeoutOption = {}): Promise<ReplicaId> {
    const runtime = this.#runtime;
    if (this.#state === 'closed' || runtime.stopped) throw raftError('STOPPED', null);
    const { role, leader } = runtime.role;
    if (role !== 'leader') throw new RaftError('NOT_LEADER', 'only the leader hands leadership over', { leader });
    if (to === this.replica) return to;
    const nowMs = runtime.clock.nowMs();
    const changed = this.#nextLeader(nowMs + (options.timeoutMs ?? TRANSFER_TIMEOUT_MS));
    runtime.enqueue({ type: 'transfer', nowMs, wallMs: runtime.clock.wallMs(), to });
    return changed;
  }

  /** Where to reach the other members. Connections to replicas that are no longer listed are closed. */
  setPeers(peers: readonly PeerAddress[]): void {
    const others = peers.filter((peer) => peer.replica !== this.replica);
    this.#options.transport.setPeers(others, this.#runtime.confIndex);
  }

  /** Takes a snapshot now and compacts the log behind it. */
  saveSnapshot(): Promise<void> {
    return this.#runtime.saveSnapshot();
  }

  status(): RaftStatus {
    const runtime = this.#runtime;
    const core = runtime.core.status(runtime.clock.nowMs());
    // A leader whose peers' connections are gone has lost its quorum now, not when their silence has lasted long enough.
    const quorum = core.quorum && (core.role !== 'leader' || runtime.outlook.quorumReachable);
    return {
      ...core,
      quorum,
      applied: runtime.applier.index,
      clusterId: this.clusterId,
      disk: runtime.disk.state,
      linked: runtime.links.list(),
      pendingProposals: runtime.proposals.count,
      staleMs: core.role === 'leader' && quorum ? 0 : core.leaderSilentMs,
    };
  }

  /**
   * Stops. With `transfer` (the default) a leader finishes what it accepted and hands over first, so that no write fails
   * and no election is needed. Idempotent.
   */
  close(options: { readonly transfer?: boolean } = {}): Promise<void> {
    this.#closed ??= this.#close(options.transfer ?? true);
    return this.#closed;
  }

  async #close(transfer: boolean): Promise<void> {
    const runtime = this.#runtime;
    const wasOpen = this.#state === 'open';
    this.#state = 'closing';
    if (wasOpen && transfer && !runtime.stopped) {
      await this.#settle();
      await this.#handOver();
    }
    const sound = wasOpen && !runtime.stopped;
    runtime.stop();
    await runtime.snapshots.stop();
    await this.#options.transport.close();
    await runtime.persister.idle();
    if (sound) await this.#keepCommit();
    await this.#options.storage.close();
    this.#state = 'closed';
  }

  /** Gives leadership away while anybody is there to take it: where all stop at once, nobody is, a moment later. */
  async #handOver(): Promise<void> {
    const { clock, links, conf, core } = this.#runtime;
    const leads = (): boolean => this.#runtime.role.role === 'leader' && !this.#runtime.stopped;
    const heirs = conf.voters.filter((voter) => voter !== this.replica);
    const deadlineMs = clock.nowMs() + TRANSFER_TIMEOUT_MS;
    while (leads() && heirs.some((heir) => links.has(heir)) && clock.nowMs() < deadlineMs) {
      const { transferringTo } = core.status();
      if (transferringTo === null || !links.has(transferringTo)) {
        const nowMs = clock.nowMs();
        this.#runtime.enqueue({ type: 'transfer', nowMs, wallMs: clock.wallMs(), to: null });
      }
      await new Promise<void>((resolve) => clock.setTimer(clock.nowMs() + HAND_OVER_LOOK_MS, resolve));
    }
    if (heirs.length > 0 && leads()) this.#options.logger?.info({}, 'stopping without a successor');
  }

  /** What was committed last is on the disk as committed, so that this node alone can serve it after a restart. */
  async #keepCommit(): Promise<void> {
    const { core, persister } = this.#runtime;
    const { term, vote, commit, lastIndex } = core.status();
    if (persister.failed || term === 0) return;
    const hard = { term, vote, commit: Math.min(commit, lastIndex) };
    await this.#options.storage
      .persist({ hard, truncateFrom: null, append: [], installSnapshot: null })
      .catch((error: unknown) => {
        this.#options.logger?.warn({ reason: String(error) }, 'the last commit index could not be written');
      });
  }

  /** Waits until every accepted proposal has its outcome, for a while. */
  async #settle(): Promise<void> {
    const { clock, proposals } = this.#runtime;
    const deadlineMs = clock.nowMs() + SETTLE_MS;
    while (proposals.count > 0 && clock.nowMs() < deadlineMs) {
      await new Promise<void>((resolve) => clock.setTimer(clock.nowMs() + 1, resolve));
    }
  }

  #nextLeader(deadlineMs: number): Promise<ReplicaId> {
    const { clock } = this.#runtime;
    return new Promise((resolve, reject) => {
      const timer = clock.setTimer(deadlineMs, () => {
        stop();
        reject(
          new RaftError('TIMEOUT', 'leadership was not taken over in time', { leader: this.#runtime.role.leader }),
        );
      });
      const stop = this.on('role', ({ leader }) => {
        if (leader === null || leader === this.replica) return;
        stop();
        timer.cancel();
        resolve(leader);
      });
    });
  }

  #emit<K extends keyof RaftNodeEvents>(name: K, value: RaftNodeEvents[K]): void {
    for (const listener of this.#listeners[name]) listener(value);
  }

  #submit(
    data: Uint8Array,
    change: ConfChange | null,
    { timeoutMs = PROPOSAL_TIMEOUT_MS, once = false }: TimeoutOption & { readonly once?: boolean },
  ): Promise<Committed> {
    const runtime = this.#runtime;
    return new Promise((resolve, reject) => {
      if (this.#state !== 'open' || runtime.stopped) return reject(raftError('STOPPED', null));
      const nowMs = runtime.clock.nowMs();
      runtime.proposals.submit({
        data,
        change,
        once,
        startedMs: nowMs,
        deadlineMs: nowMs + timeoutMs,
        resolve,
        reject,
      });
      runtime.schedule();
    });
  }
}
