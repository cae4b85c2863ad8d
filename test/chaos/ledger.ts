/**
 * Writers whose promises are checked while they go on: every acknowledged revision must be in the history of the
 * configuration, with the change that was acknowledged. The history keeps a thousand revisions, so it is looked at often.
 */
import { waitFor } from '@flotilla/shared/testing';
import type { FaultCluster } from '../harness/fault-cluster.ts';
import { Writer } from '../harness/writer.ts';
import type { WriterReport } from '../harness/writer.ts';

const HISTORY_LIMIT = 1_000;
const WRITER_PAUSE_MS = 60;
const HISTORY_TIMEOUT_MS = 30_000;

export interface LedgerCounts {
  readonly acknowledged: number;
  readonly lost: number;
}

export class Ledger {
  readonly #faulty: FaultCluster;
  readonly #writers: readonly { readonly backend: string; readonly writer: Writer }[];
  readonly #checked = new Map<string, number>();
  readonly faults: string[] = [];
  #acknowledged = 0;
  #lost = 0;

  constructor(faulty: FaultCluster) {
    const { nodes, backends } = faulty.cluster;
    this.#faulty = faulty;
    const targets = nodes.map((node) => ({
      call: node.call,
      get isRunning() {
        return node.isRunning;
      },
    }));
    this.#writers = backends.map(({ id }) => ({ backend: id, writer: new Writer(targets, id, WRITER_PAUSE_MS) }));
  }

  start(): this {
    for (const { writer } of this.#writers) writer.start();
    return this;
  }

  get counts(): LedgerCounts {
    return { acknowledged: this.#acknowledged, lost: this.#lost };
  }

  /** Looks up what was acknowledged since the last time. */
  async check(): Promise<void> {
    const promised = this.#writers.map(({ backend, writer }) => {
      const from = this.#checked.get(backend) ?? 0;
      const writes = writer.acknowledged.slice(from);
      this.#checked.set(backend, from + writes.length);
      return { backend, writes };
    });
    const history = await this.#history();
    for (const { backend, writes } of promised) {
      for (const { revision, weight } of writes) {
        this.#acknowledged += 1;
        const summary = history.get(revision) ?? '';
        if (summary.includes(`api/${backend}: weight`) && summary.endsWith(`→ ${weight}`)) continue;
        this.#lost += 1;
        this.faults.push(`revision ${revision}: ${backend} := ${weight} was acknowledged; found "${summary}"`);
      }
    }
  }

  /** The last check, and what each node has by itself at the end. Nodes must have converged when `settled` resolves. */
  async stop(settled: () => Promise<unknown>): Promise<readonly WriterReport[]> {
    const reports = await Promise.all(this.#writers.map(({ writer }) => writer.stop()));
    await settled();
    await this.check();
    for (const [at, { backend }] of this.#writers.entries()) {
      for (const node of this.#faulty.cluster.nodes) {
        const { body } = await node.call('GET', `/v1/pools/api/backends/${backend}?consistency=local`);
        if (reports[at]?.possible.has(body.weight as number) === true) continue;
        this.#lost += 1;
        this.faults.push(`${node.id}: weight of ${backend} is ${body.weight}`);
      }
    }
    return reports;
  }

  #history(): Promise<ReadonlyMap<number, string>> {
    return waitFor(
      'the history of the configuration',
      async () => {
        const node = this.#faulty.cluster.nodes.find(({ isRunning }) => isRunning);
        const reply = await node?.call('GET', `/v1/config/history?limit=${HISTORY_LIMIT}`, { timeoutMs: 6_000 });
        if (reply?.status !== 200) return null;
        const items = reply.body.items as { readonly revision: number; readonly summary: string }[];
        return new Map(items.map(({ revision, summary }) => [revision, summary]));
      },
      { timeoutMs: HISTORY_TIMEOUT_MS, everyMs: 100 },
    );
  }
}
