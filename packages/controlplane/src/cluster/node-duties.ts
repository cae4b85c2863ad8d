/**
 * What every node does for itself, again and again until it holds: announce where it is, catch up once, tell the cluster
 * whether it is ready. Runs on a timer and at once whenever something changed that may matter.
 */
import { errorText } from '@flotilla/shared';
import type { Logger } from '@flotilla/shared/runtime';
import { nodeDutiesMs, reasonsMaxCount } from '../limits.ts';
import type { MemberRow } from '../state/index.ts';
import type { ClusterHost } from './host.ts';
import { replicasOf } from './membership.ts';
import type { ReadyView } from './readiness.ts';

export interface NodeDutiesOptions {
  readonly host: ClusterHost;
  /** What it announces. */
  readonly facts: Pick<MemberRow, 'raft' | 'api' | 'version' | 'featureLevel'>;
  readonly ready: () => ReadyView;
  readonly log: Logger;
  /** After each round: whatever else follows readiness or quorum. */
  readonly onRound: () => void;
}

export class NodeDuties {
  readonly #options: NodeDutiesOptions;
  readonly #timer: NodeJS.Timeout;
  #busy = false;
  #again = false;
  #caughtUp = false;
  #closed = false;

  constructor(options: NodeDutiesOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.run(), nodeDutiesMs);
  }

  /** Linearizable once since the start. */
  get caughtUp(): boolean {
    return this.#caughtUp;
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
  }

  run(): void {
    if (this.#closed) return;
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    void this.#round().finally(() => {
      this.#busy = false;
      if (!this.#again) return;
      this.#again = false;
      setImmediate(() => this.run());
    });
  }

  async #round(): Promise<void> {
    const { host, onRound, log } = this.#options;
    onRound();
    const status = host.status();
    // Without a leader nothing can be asked or told; a removed node has nothing to say.
    if (status.leader === null || !replicasOf(status.conf).includes(status.self)) return;
    try {
      if (!this.#caughtUp) {
        await host.read('linearizable');
        this.#caughtUp = true;
        this.#again = true;
      }
      await this.#announce();
      await this.#report();
    } catch (error) {
      log.debug({ reason: errorText(error) }, 'a duty of this node has to wait');
    }
  }

  async #announce(): Promise<void> {
    const { host, facts } = this.#options;
    const wanted = { id: host.nodeId, replica: host.raft.replica, ...facts };
    const row = host.state.members.get(host.nodeId);
    if (row !== undefined && sameFacts(row, wanted)) return;
    await host.proposeOwn({ type: 'member.announce', ...wanted });
  }

  async #report(): Promise<void> {
    const { host, ready } = this.#options;
    const view = ready();
    const reasons = view.reasons.slice(0, reasonsMaxCount);
    const row = host.state.members.get(host.nodeId);
    if (row === undefined || (row.ready === view.ready && row.reasons.join('\n') === reasons.join('\n'))) return;
    await host.proposeOwn({ type: 'member.status', id: host.nodeId, ready: view.ready, reasons });
  }
}

function sameFacts(
  row: MemberRow,
  wanted: Pick<MemberRow, 'replica' | 'raft' | 'api' | 'version' | 'featureLevel'>,
): boolean {
  return (['replica', 'raft', 'api', 'version', 'featureLevel'] as const).every(
    (field) => row[field] === wanted[field],
  );
}
