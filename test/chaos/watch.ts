/**
 * Watches all nodes from outside, without pause: how long nobody led, how often leadership changed, and whether two nodes
 * ever had different digests at the same index.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterNode, NodeStatus } from '../harness/cluster.ts';

const LOOK_EVERY_MS = 40;
const LOOK_TIMEOUT_MS = 2_000;
/** Two looks that found a leader, with less than this between them: somebody led all the while, as far as anybody can tell. */
const GAP_MS = 150;

export interface WatchCounts {
  readonly leaderlessMs: number;
  readonly terms: number;
  readonly compared: number;
  readonly divergences: number;
}

export class Watch {
  readonly #nodes: readonly ClusterNode[];
  readonly #digests = new Map<number, { readonly digest: string; readonly node: string }>();
  readonly faults: string[] = [];
  #leaderlessMs = 0;
  #ledMs = 0;
  #ledTerm = 0;
  /** Some node said since then that it knows no leader. A look that is late says nothing: this machine may be busy. */
  #isDoubted = false;
  #compared = 0;
  #divergences = 0;
  #firstTerm = 0;
  #term = 0;
  #running = true;
  #work: Promise<void>[] = [];

  constructor(nodes: readonly ClusterNode[]) {
    this.#nodes = nodes;
  }

  start(): this {
    this.#work = this.#nodes.map((node) => this.#look(node));
    return this;
  }

  get counts(): WatchCounts {
    return {
      leaderlessMs: this.#leaderlessMs,
      terms: this.#term - this.#firstTerm,
      compared: this.#compared,
      divergences: this.#divergences,
    };
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#work);
  }

  async #look(node: ClusterNode): Promise<void> {
    while (this.#running) {
      try {
        const { body } = await node.call('GET', '/v1/status', { timeoutMs: LOOK_TIMEOUT_MS });
        const status = body as NodeStatus & { readonly term: number };
        if (status.role === 'leader' && status.quorum) this.#led(performance.now(), status.term);
        else if (status.leader === null && status.term > 0) this.#isDoubted = true;
        this.#firstTerm ||= status.term;
        this.#term = Math.max(this.#term, status.term);
        if (status.digest !== '') this.#compare(node.id, status);
      } catch {
        // Down, paused or starting: its last look grows old.
      }
      await sleep(LOOK_EVERY_MS);
    }
  }

  #compare(node: string, { appliedIndex, digest }: NodeStatus): void {
    const known = this.#digests.get(appliedIndex);
    if (known === undefined) {
      this.#digests.set(appliedIndex, { digest, node });
      return;
    }
    if (known.node !== node) this.#compared += 1;
    if (known.digest === digest) return;
    this.#divergences += 1;
    this.faults.push(`index ${appliedIndex}: ${known.node} has ${known.digest}, ${node} has ${digest}`);
  }

  #led(nowMs: number, term: number): void {
    const gapMs = nowMs - this.#ledMs;
    const wasVacant = this.#isDoubted || term !== this.#ledTerm;
    if (this.#ledMs > 0 && gapMs > GAP_MS && wasVacant) this.#leaderlessMs += gapMs;
    this.#ledMs = nowMs;
    this.#ledTerm = term;
    this.#isDoubted = false;
  }
}
