/**
 * The replicated state as the rest of the control thread uses it: commands in with bounded time, refusals as errors,
 * reads that say how fresh they are. Everything that must be agreed passes through here.
 */
import { setImmediate as immediate } from 'node:timers/promises';
import type { RaftNode, RaftStatus } from '@flotilla/raft';
import { FlotillaError } from '@flotilla/shared';
import {
  commandMaxBytes,
  digestsKeptCount,
  largeBodyBytes,
  proposalTimeoutMs,
  proposalTimeoutPerMibMs,
  quorumLookMs,
} from '../limits.ts';
import {
  type ClusterStateMachine,
  type Command,
  type CommandOk,
  type CommandResult,
  encodeCommand,
  type ReadonlyState,
} from '../state/index.ts';

export type Consistency = 'linearizable' | 'local';

/** A command without what every command carries. */
export type Draft = Command extends infer C ? (C extends Command ? Omit<C, 'v'> : never) : never;

export interface Checkpoint {
  readonly index: number;
  readonly digest: string;
}

export class ClusterHost {
  readonly raft: RaftNode;
  readonly machine: ClusterStateMachine;
  readonly nodeId: string;
  readonly #nowMs: () => number;
  readonly #checkpoints: Checkpoint[] = [];
  #lookedMs = -Infinity;
  /** When there was a quorum, as far as anybody looked. */
  #quorumMs = -Infinity;
  #withoutQuorum = false;

  /** `nowMs`: a monotonic clock. */
  constructor(raft: RaftNode, machine: ClusterStateMachine, nodeId: string, nowMs = (): number => performance.now()) {
    this.raft = raft;
    this.machine = machine;
    this.nodeId = nodeId;
    this.#nowMs = nowMs;
  }

  /** The newest digest and those of recent checkpoints, which are at the same indexes on every node. */
  digests(): { readonly appliedIndex: number; readonly digest: string; readonly recent: readonly Checkpoint[] } {
    return { appliedIndex: this.state.meta.index, digest: this.machine.digest(), recent: this.#checkpoints };
  }

  /** To be called whenever raft has taken a digest to compare. */
  noteCheckpoint(checkpoint: Checkpoint): void {
    this.#checkpoints.push(checkpoint);
    if (this.#checkpoints.length > digestsKeptCount) this.#checkpoints.shift();
  }

  get state(): ReadonlyState {
    return this.machine.state;
  }

  get revision(): number {
    return this.machine.state.meta.revision;
  }

  get incarnation(): string {
    return incarnationOf(this.raft.replica);
  }

  /** What writes go by from here on: whoever was told that there is no quorum gets no unknown outcome from a write after it. */
  status(): RaftStatus {
    const status = this.raft.status();
    this.#lookedMs = this.#nowMs();
    this.#withoutQuorum = status.role === 'leader' && !status.quorum;
    if (status.quorum) this.#quorumMs = this.#lookedMs;
    return status;
  }

  /** Age of what this node knows, whole ms; null where it was never in touch with a quorum since it started. */
  get staleMs(): number | null {
    const { role, quorum, staleMs } = this.status();
    if (quorum) return finite(staleMs);
    // One that led until a moment ago never heard of a leader: its own last quorum is what it knows.
    const ownMs = this.#nowMs() - this.#quorumMs;
    return finite(role === 'leader' ? ownMs : Math.min(staleMs, ownMs));
  }

  /** Resolves when the command is committed and applied here. Throws what the state machine refused. */
  async propose(draft: Draft, givenMs?: number): Promise<CommandOk> {
    const data = encodeCommand({ v: 1, ...draft } as Command);
    if (data.length > commandMaxBytes)
      throw new FlotillaError(
        'TOO_LARGE',
        `this is ${data.length} bytes as one change; at most ${commandMaxBytes} fit`,
      );
    const timeoutMs = givenMs ?? proposalTimeoutMs + (data.length / 1_048_576) * proposalTimeoutPerMibMs;
    const deadlineMs = this.#nowMs() + timeoutMs;
    if (data.length >= largeBodyBytes) await immediate();
    if (!this.#hasQuorum()) await this.#whenQuorum(deadlineMs);
    const remainingMs = Math.max(1, deadlineMs - this.#nowMs());
    const { result } = await this.raft.propose(data, { timeoutMs: remainingMs });
    const outcome = result as CommandResult;
    if (outcome.ok) return outcome;
    throw new FlotillaError(outcome.code, outcome.message, { details: outcome.details });
  }

  /** False on a leader that lost it. Looked at every now and then only: this is the path of every write. */
  #hasQuorum(): boolean {
    if (this.#nowMs() - this.#lookedMs >= quorumLookMs) this.status();
    return !this.#withoutQuorum;
  }

  /**
   * A leader that lost its quorum would take the command and could not say later what became of it. It is held back here
   * instead, where nothing has happened yet.
   */
  async #whenQuorum(deadlineMs: number): Promise<void> {
    while (!this.#hasQuorum()) {
      if (this.#nowMs() >= deadlineMs)
        throw new FlotillaError('NO_QUORUM', 'a majority of members cannot be reached; nothing was changed');
      await new Promise((resolve) => void setTimeout(resolve, quorumLookMs));
    }
  }

  /** As `propose`, for what a node does by itself: the author is the node. */
  proposeOwn(draft: Draft, timeoutMs?: number): Promise<CommandOk> {
    return this.propose({ ...draft, author: `node:${this.nodeId}` }, timeoutMs);
  }

  /** After this resolves, `state` holds every write that was acknowledged before the call (or is simply what is here). */
  async read(consistency: Consistency): Promise<void> {
    if (consistency === 'linearizable') await this.raft.readIndex({ timeoutMs: proposalTimeoutMs });
  }
}

/** JSON has no Infinity. */
export function finite(value: number | undefined): number | null {
  return value === undefined || !Number.isFinite(value) ? null : Math.round(value);
}

/** `n1#9f2c` → `n1`. */
export function nameOf(replica: string): string {
  return replica.split('#')[0] ?? replica;
}

/** `n1#9f2c` → `9f2c`. */
export function incarnationOf(replica: string): string {
  return replica.slice(replica.indexOf('#') + 1);
}
