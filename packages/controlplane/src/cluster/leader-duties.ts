/**
 * What only the leader does, so that it is done once: log time, the cluster's secrets, the first configuration, who is
 * alive, promotion of learners, phases of drains. Every duty is idempotent: two leaders in turn may both do it.
 */
import { randomBytes } from 'node:crypto';
import type { Divergence } from '@flotilla/raft';
import { errorText } from '@flotilla/shared';
import type { Logger } from '@flotilla/shared/runtime';
import { affinityKeyBytes, leaderTickMs, livenessCheckMs, transferTimeoutMs } from '../limits.ts';
import { type Sealing, sealDraft } from '../secrets/seal-draft.ts';
import { clusterLevel, commandLevel, raisableLevel, readFence } from '../state/index.ts';
import { drainStep } from './drain.ts';
import { type ClusterHost, nameOf } from './host.ts';
import { countsAsAlive } from './liveness.ts';
import { promoteReady, replicasOf } from './membership.ts';
import type { Peers } from './peers.ts';

export interface LeaderDutiesOptions {
  readonly host: ClusterHost;
  readonly peers: Peers;
  /** This node's own view of itself, for its own drain. */
  readonly self: () => { readonly connections: number; readonly drained: boolean };
  readonly seedConfig: unknown;
  readonly sealing: Sealing;
  readonly log: Logger;
}

export class LeaderDuties {
  readonly #options: LeaderDutiesOptions;
  readonly #timer: NodeJS.Timeout;
  #busy = false;
  #lastTickMs = -Infinity;
  #seedRefused = false;
  /** Replicas whose state differs, until they are fenced. */
  readonly #diverged = new Map<string, Divergence>();
  /** The term that this node leads, null where it does not; and since when it was noticed. */
  #term: number | null = null;
  #leadsSinceMs = 0;

  constructor(options: LeaderDutiesOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.run(), livenessCheckMs);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Found while this node leads; who follows it finds the same by itself. */
  diverged(divergence: Divergence): void {
    this.#diverged.set(divergence.replica, divergence);
    this.run();
  }

  /** Also called at once when this node becomes leader. */
  run(): void {
    if (this.#busy) return;
    const status = this.#options.host.status();
    if (status.role !== 'leader') this.#term = null;
    else if (status.term !== this.#term) {
      this.#term = status.term;
      this.#leadsSinceMs = performance.now();
    }
    if (status.role !== 'leader' || !status.quorum) return;
    this.#busy = true;
    void this.#all().finally(() => (this.#busy = false));
  }

  /** One after the other, each by itself: what cannot be done, however often it is tried, must not hold up log time. */
  async #all(): Promise<void> {
    const { host, log } = this.#options;
    const duties = [
      () => this.#initialise(),
      () => this.#fences(),
      () => this.#liveness(),
      () => this.#drains(),
      () => this.#tick(),
      () => this.#raiseLevel(),
      () => this.#promote(),
    ];
    for (const duty of duties) {
      if (host.status().role !== 'leader') return;
      try {
        await duty();
      } catch (error) {
        log.debug({ reason: errorText(error) }, 'a duty of the leader has to wait');
      }
    }
  }

  async #promote(): Promise<void> {
    const promoted = await promoteReady(this.#options.host);
    if (promoted !== null) this.#options.log.info({ replica: promoted }, 'learner caught up: it votes now');
  }

  async #initialise(): Promise<void> {
    const { host, seedConfig, sealing, log } = this.#options;
    if (host.state.meta.affinityKey === '')
      await host.proposeOwn({ type: 'cluster.init', affinityKey: randomBytes(affinityKeyBytes).toString('hex') });
    if (host.revision > 0 || seedConfig === null || seedConfig === undefined || this.#seedRefused) return;
    try {
      await host.proposeOwn(sealDraft(sealing, { type: 'config.replace', document: seedConfig, ifMatch: 0 }));
      log.info({ revision: host.revision }, 'first configuration of the cluster');
    } catch (error) {
      const code = (error as { code?: string }).code;
      // Only a fault of the document is final; anything else is tried again.
      if (code !== 'INVALID_CONFIG' && code !== 'TOO_LARGE') throw error;
      this.#seedRefused = true;
      log.error(
        { reason: errorText(error), details: (error as { details?: unknown }).details },
        'the initial configuration is not valid',
      );
    }
  }

  /** Whoever must not be believed must not lead either: it would answer reads, and give its state to others. */
  async #fences(): Promise<void> {
    const { host, log } = this.#options;
    const { state, raft, nodeId } = host;
    if (clusterLevel(state) < commandLevel('member.fence')) return;
    for (const [replica, { index, ours, theirs }] of this.#diverged) {
      this.#diverged.delete(replica);
      const id = nameOf(replica);
      if (state.members.get(id)?.replica !== replica || readFence(state, id)?.replica === replica) continue;
      try {
        const [digest, itsDigest] = replica === raft.replica ? [theirs, ours] : [ours, theirs];
        await host.proposeOwn({ type: 'member.fence', id, replica, index, digest, itsDigest });
        log.error({ id, index }, 'fenced: its state differs from that of the other nodes');
      } catch (error) {
        this.#diverged.set(replica, { replica, index, ours, theirs });
        throw error;
      }
    }
    if (readFence(state, nodeId)?.replica === raft.replica && host.status().conf.voters.length > 1)
      await raft.transferLeadership(null, { timeoutMs: transferTimeoutMs });
  }

  async #liveness(): Promise<void> {
    const { host } = this.#options;
    const { peers, linked } = host.status();
    const silentMs = new Map(peers.map((peer) => [peer.id, peer.silentMs]));
    const items: { id: string; alive: boolean }[] = [];
    for (const [id, row] of host.state.members.entries()) {
      const facts = {
        wasAlive: row.alive,
        silentMs: silentMs.get(row.replica) ?? Infinity,
        linked: linked.includes(row.replica),
        leadsMs: performance.now() - this.#leadsSinceMs,
      };
      const alive = id === host.nodeId || countsAsAlive(facts);
      if (alive !== row.alive) items.push({ id, alive });
    }
    if (items.length > 0) await host.proposeOwn({ type: 'member.liveness', items });
  }

  async #drains(): Promise<void> {
    const { host, peers, self } = this.#options;
    for (const [id, row] of host.state.drains.entries()) {
      const view = id === host.nodeId ? self() : peers.view(id);
      const alive = host.state.members.get(id)?.alive === true;
      const step = drainStep(row, host.state.meta.logTimeMs, { ...view, alive });
      if (step !== null) await host.proposeOwn({ type: 'drain.phase', id, ...step });
    }
  }

  /** The last member of a rolling upgrade has announced what it speaks: from now on all may use it. */
  async #raiseLevel(): Promise<void> {
    const { host, log } = this.#options;
    const level = raisableLevel(host.state, replicasOf(host.status().conf));
    if (level === null) return;
    await host.proposeOwn({ type: 'features.raise', level });
    log.info({ level }, 'every member speaks this feature level: it is in force');
  }

  async #tick(): Promise<void> {
    const nowMs = performance.now();
    // Timers are late by some milliseconds, and half a check too early is better than a whole one too late.
    if (nowMs - this.#lastTickMs < leaderTickMs - livenessCheckMs / 2) return;
    this.#lastTickMs = nowMs;
    await this.#options.host.proposeOwn({ type: 'tick' });
  }
}
