/**
 * Story: a majority is away for long. The node that is left goes on from what it knows, and by itself routes round a backend
 * that dies meanwhile and uses it again when it is back; every write is refused in time; its answers say how old they are;
 * afterwards nothing needs a hand. FLOTILLA_OUTAGE_SECONDS makes it longer than the few seconds of the suite.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { Cluster, targetsOf } from '../harness/cluster.ts';
import type { BackendProcess, ClusterNode } from '../harness/cluster.ts';
import { Traffic } from '../harness/traffic.ts';

const OUTAGE_MS = Number(process.env.FLOTILLA_OUTAGE_SECONDS ?? 12) * 1_000;
const REFUSED_WITHIN_MS = 5_000;
const RECOVERED_WITHIN_MS = 90_000;
const LOOK_EVERY_MS = 1_000;
/** A long one goes easy on the machine. */
const PAUSE_MS = OUTAGE_MS > 60_000 ? 100 : 10;
/** Requests that go round a dead backend before it is believed that they do not try it first. */
const ROUND_COUNT = 300;

let cluster: Cluster;
let survivor: ClusterNode;
let others: ClusterNode[];
let backend: BackendProcess;
beforeAll(async () => {
  // A backend that dies takes all its requests with it at once: how many may be repeated is not what is looked at here.
  const retry = { attempts: 2, on: ['connect-failure', 'reset', 502, 503], budgetRatio: 1, budgetMinCount: 1_000 };
  cluster = await Cluster.start({ pool: { retry } });
  survivor = (await cluster.followers())[0]!;
  others = cluster.nodes.filter((node) => node !== survivor);
  backend = cluster.backends[1]!;
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

interface Look {
  readonly staleMs: number;
  readonly refusedMs: number;
}

async function look(): Promise<Look> {
  const startedMs = performance.now();
  const path = '/v1/pools/api/backends/b1';
  const { status, body, headers } = await survivor.call('PATCH', path, { body: { weight: 1 }, timeoutMs: 20_000 });
  const refusedMs = performance.now() - startedMs;
  expect([status, body.error?.code]).toEqual([503, expect.stringMatching(/^NO_(QUORUM|LEADER)$/)]);
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  const ready = await survivor.call('GET', '/ready');
  expect([ready.status, ready.body.stale]).toEqual([200, true]);
  const { staleMs, quorum } = await survivor.status();
  expect(quorum).toBe(false);
  return { staleMs, refusedMs };
}

async function retries(): Promise<number> {
  const { body } = await survivor.call('GET', '/metrics');
  const counts = [...String(body).matchAll(/^flotilla_retries_total\{.*\} (\d+)$/gm)].map(([, count]) => Number(count));
  return counts.reduce((sum, count) => sum + count, 0);
}

it(
  'serves, routes round what dies, refuses in time and says how old its truth is, for as long as it lasts',
  async () => {
    const traffic = new Traffic({ targets: targetsOf([survivor]), pauseMs: PAUSE_MS }).start();
    const revision = (await survivor.status()).revision;
    await Promise.all(others.map((node) => node.process.end('SIGKILL')));
    await waitFor('the loss to be known', async () => !(await survivor.status()).quorum);
    const endMs = performance.now() + OUTAGE_MS;
    const looks: Look[] = [];
    const watching = (async () => {
      while (performance.now() < endMs) {
        looks.push(await look());
        await sleep(LOOK_EVERY_MS);
      }
    })();
    await sleep(OUTAGE_MS / 5);
    await backend.process.end('SIGKILL');
    // Once this node's own probes have failed, not even the first attempt of a request goes there.
    const isAvoided = async (): Promise<boolean> => {
      const [before, from] = [await retries(), traffic.okCount];
      await waitFor('more answers', () => traffic.okCount >= from + ROUND_COUNT, { timeoutMs: 30_000 });
      return (await retries()) === before;
    };
    await waitFor('a dead backend to be avoided', isAvoided, { timeoutMs: 90_000 });
    await sleep(OUTAGE_MS / 5);
    expect(await isAvoided()).toBe(true);
    // What it tells of the others and of the backend is what it sees, not what was last agreed.
    const members = await survivor.call('GET', '/v1/members?consistency=local');
    const alive = (members.body.items as { id: string; alive: boolean }[]).filter((member) => member.alive);
    expect(alive.map(({ id }) => id)).toEqual([survivor.id]);
    const health = await survivor.call('GET', '/v1/health?consistency=local');
    const avoided = (health.body.items as { backend: string; avoidedHere: boolean }[]).filter((one) => one.avoidedHere);
    expect(avoided.map((one) => one.backend)).toEqual([backend.id]);
    await backend.start();
    const served = (): number => traffic.report().okByBackend[backend.id] ?? 0;
    const before = served();
    await waitFor('the backend to be used again', () => served() > before + 20, { timeoutMs: 20_000 });
    await watching;
    const ages = looks.map(({ staleMs }) => staleMs);
    expect(ages).toEqual(ages.toSorted((a, b) => a - b));
    expect(ages.at(-1)).toBeGreaterThan(OUTAGE_MS - 2 * REFUSED_WITHIN_MS);
    const slowestMs = Math.max(...looks.map(({ refusedMs }) => refusedMs));
    expect(slowestMs).toBeLessThan(3 * REFUSED_WITHIN_MS);
    expect((await survivor.status()).revision).toBe(revision);
    const report = await traffic.stop();
    console.info({ outageMs: OUTAGE_MS, looks: looks.length, slowestMs, lastStaleMs: ages.at(-1), ...report });
    expect(report).toMatchObject({ failed: 0, wrong: 0, excused: 0, faults: [] });
  },
  OUTAGE_MS + 120_000,
);

it(
  'is whole again without a hand',
  async () => {
    for (const node of others) node.process.start();
    await Promise.all(cluster.nodes.map((node) => node.waitReady(RECOVERED_WITHIN_MS)));
    const write = () =>
      survivor.call('PATCH', '/v1/pools/api/backends/b1', { body: { weight: 42 }, timeoutMs: 20_000 });
    await waitFor('an accepted write', async () => (await write()).status === 200, { timeoutMs: 20_000 });
    await cluster.converge();
    const isUp = async (): Promise<boolean> => {
      const { body } = await survivor.call('GET', '/v1/health');
      return (body.items as { verdict: string }[]).every(({ verdict }) => verdict === 'up');
    };
    await waitFor('every backend to be up', isUp, { timeoutMs: 20_000 });
    const { quorum, staleMs } = await survivor.status();
    expect([quorum, staleMs < REFUSED_WITHIN_MS]).toEqual([true, true]);
    const { body } = await survivor.call('GET', '/v1/health');
    expect((body.items as { avoidedHere: boolean }[]).some(({ avoidedHere }) => avoidedHere)).toBe(false);
  },
  2 * RECOVERED_WITHIN_MS,
);
