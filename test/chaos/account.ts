/**
 * Everything that goes on while faults are done to a cluster, and the sums of it: requests, sessions, writes, leadership,
 * digests. A row of the report is the difference between two such sums.
 */
import { waitFor } from '@flotilla/shared/testing';
import { targetsOf } from '../harness/cluster.ts';
import { FaultCluster } from '../harness/fault-cluster.ts';
import { SeededRandom } from '../harness/random.ts';
import { Traffic } from '../harness/traffic.ts';
import type { Stage } from './faults.ts';
import { Ledger } from './ledger.ts';
import { Sessions } from './sessions.ts';
import { Watch } from './watch.ts';

const SESSIONS_COUNT = 30;
const SESSION_PAUSE_MS = 150;
const TRAFFIC_PAUSE_MS = 15;
const RECOVERED_WITHIN_MS = 60_000;

/** What must be zero is named first in each group's end. */
export interface Sums {
  readonly sent: number;
  readonly failed: number;
  readonly wrong: number;
  /** Broken off with the process that they were sent to or through. */
  readonly withProcess: number;
  readonly acknowledged: number;
  readonly lost: number;
  readonly sessionRequests: number;
  readonly strayed: number;
  readonly leaderlessMs: number;
  readonly terms: number;
  readonly compared: number;
  readonly divergences: number;
}

export const ZEROS = ['failed', 'wrong', 'lost', 'strayed', 'divergences'] as const satisfies (keyof Sums)[];

export class Account {
  readonly stage: Stage;
  readonly #faulty: FaultCluster;
  readonly #traffic: Traffic;
  readonly #sessions: Sessions;
  readonly #ledger: Ledger;
  readonly #watch: Watch;

  private constructor(faulty: FaultCluster, seed: number) {
    this.#faulty = faulty;
    const { nodes } = faulty.cluster;
    const targets = targetsOf(nodes);
    const down = new Set<string>();
    const downs = new Map<string, number>();
    const backendsDown = new Set<string>();
    let kills = 0;
    this.#traffic = new Traffic({ targets, pauseMs: TRAFFIC_PAUSE_MS }).start();
    this.#sessions = new Sessions({
      targets,
      count: SESSIONS_COUNT,
      pauseMs: SESSION_PAUSE_MS,
      isDown: (id) => down.has(id),
      downCount: (id) => downs.get(id) ?? 0,
      isBackendDown: (id) => backendsDown.has(id),
      killCount: () => kills,
    }).start();
    this.#ledger = new Ledger(faulty).start();
    this.#watch = new Watch(nodes).start();
    this.stage = {
      faulty,
      random: new SeededRandom(seed),
      onDown: (id) => {
        down.add(id);
        downs.set(id, (downs.get(id) ?? 0) + 1);
        this.#traffic.markDown(id);
      },
      onUp: (id) => {
        down.delete(id);
        this.#traffic.markUp(id);
      },
      killBackend: async (id, kill) => {
        kills += 1;
        backendsDown.add(id);
        await kill();
      },
      onBackendUp: (id) => backendsDown.delete(id),
    };
  }

  /** A cluster with everything going on. */
  static async open(seed: number): Promise<Account> {
    // A backend that dies takes all its requests with it at once: the budget that keeps retries from becoming a storm is
    // not what is looked at here.
    const retry = { attempts: 2, on: ['connect-failure', 'reset', 502, 503], budgetRatio: 1, budgetMinCount: 1_000 };
    const affinity = { type: 'cookie', name: 'FLOTILLA', ttlMs: 3_600_000, strict: false };
    return new Account(await FaultCluster.start({ pool: { retry, affinity } }), seed);
  }

  /** Every node ready, one leader for all, one more write accepted by each. */
  async recovered(): Promise<void> {
    const { nodes } = this.#faulty.cluster;
    await Promise.all(nodes.map((node) => node.waitReady(RECOVERED_WITHIN_MS)));
    const follows = async (): Promise<boolean> => {
      const statuses = await Promise.all(nodes.map((node) => node.status()));
      return new Set(statuses.map(({ leader, quorum }) => (quorum ? leader?.id : null))).size === 1;
    };
    await waitFor('one leader for all', follows, { timeoutMs: RECOVERED_WITHIN_MS, everyMs: 50 });
  }

  /** Checks the promises so far and adds up. */
  async sums(): Promise<Sums> {
    await this.#ledger.check();
    const { ok, failed, wrong, excused } = this.#traffic.report();
    const sessions = this.#sessions.counts;
    return {
      sent: ok + failed + wrong + excused,
      failed: failed + sessions.failed,
      wrong,
      withProcess: excused + sessions.excused,
      ...this.#ledger.counts,
      sessionRequests: sessions.ok + sessions.failed + sessions.excused + sessions.strayed,
      strayed: sessions.strayed,
      ...this.#watch.counts,
    };
  }

  /** Ends everything, after a last look at every node; answers the sums and what was wrong, in words. */
  async close(): Promise<{ readonly sums: Sums; readonly faults: readonly string[] }> {
    this.#faulty.heal();
    await this.#ledger.stop(async () => {
      await this.recovered();
      await this.#faulty.cluster.converge(RECOVERED_WITHIN_MS);
    });
    await this.#sessions.stop();
    const { faults } = await this.#traffic.stop();
    const sums = await this.sums();
    await this.#watch.stop();
    return {
      sums,
      faults: [...faults, ...this.#sessions.faults, ...this.#ledger.faults, ...this.#watch.faults],
    };
  }

  /** What every node wrote lately: for when something is wrong. */
  get outputs(): string {
    const parts = this.#faulty.cluster.nodes.map((node) => `--- ${node.id}\n${node.process.output}`);
    return parts.join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#faulty[Symbol.asyncDispose]();
  }
}
