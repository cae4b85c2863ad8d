/**
 * Story: everything dies, in turn, while traffic flows through all nodes and weights change through random ones. Required
 * at the end: no request failed on a node that was up, no answer was wrong, every acknowledged write is on every node, the
 * digests agree, and whoever was killed came back by itself.
 */
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { Cluster, targetsOf } from '../harness/cluster.ts';
import type { ClusterNode } from '../harness/cluster.ts';
import { Traffic } from '../harness/traffic.ts';
import { Writer } from '../harness/writer.ts';
import type { WriterReport } from '../harness/writer.ts';

const KILLS = 10;
/** Three writers at this pace write less in a run than the 1000 revisions that the history keeps. */
const WRITER_PAUSE_MS = 150;
const HISTORY_LIMIT = 1_000;

let cluster: Cluster;
let traffic: Traffic;
let writers: Writer[];
const untilNextWriteMs: number[] = [];

beforeAll(async () => {
  cluster = await Cluster.start({ pool: { retry: { attempts: 2, on: ['connect-failure', 'reset', 502, 503] } } });
  traffic = new Traffic({ targets: targetsOf(cluster.nodes) }).start();
  writers = cluster.backends.map((backend) => new Writer(cluster.nodes, backend.id, WRITER_PAUSE_MS).start());
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

const acknowledged = (): number => writers.reduce((sum, writer) => sum + writer.acknowledgedCount, 0);

/** Killed, then started on the same disk; it must become ready and serve by itself. */
async function killAndRestart(node: ClusterNode, whileDown: () => Promise<unknown>): Promise<void> {
  traffic.markDown(node.id);
  await node.process.end('SIGKILL');
  await whileDown();
  node.process.start();
  await node.waitReady();
  traffic.markUp(node.id);
}

async function nextWrite(): Promise<void> {
  const before = acknowledged();
  const startedMs = performance.now();
  await waitFor('the next accepted write', () => acknowledged() > before, { timeoutMs: 15_000, everyMs: 5 });
  untilNextWriteMs.push(performance.now() - startedMs);
}

function noFaults(): void {
  const { failed, wrong, faults } = traffic.report();
  expect({ failed, wrong, faults }).toEqual({ failed: 0, wrong: 0, faults: [] });
}

it('goes on while the leader is killed ten times', async () => {
  for (let kill = 0; kill < KILLS; kill += 1) {
    await killAndRestart(await cluster.leader(), nextWrite);
    noFaults();
  }
});

it('goes on while a follower is killed ten times', async () => {
  for (let kill = 0; kill < KILLS; kill += 1) {
    const followers = await cluster.followers();
    await killAndRestart(followers[kill % followers.length]!, nextWrite);
    noFaults();
  }
});

it('goes on while a backend is killed and comes back', async () => {
  const [, backend] = cluster.backends;
  const verdict = async (): Promise<string> => {
    const { body } = await cluster.nodes[0]!.call('GET', '/v1/health');
    return body.items.find((item: { backend: string }) => item.backend === backend!.id).verdict as string;
  };
  await backend!.process.end('SIGKILL');
  await waitFor('the verdict down', async () => (await verdict()) === 'down', { timeoutMs: 15_000 });
  await backend!.start();
  await waitFor('the verdict up', async () => (await verdict()) === 'up', { timeoutMs: 15_000 });
  const before = traffic.report().okByBackend[backend!.id] ?? 0;
  await waitFor('traffic to it again', () => (traffic.report().okByBackend[backend!.id] ?? 0) > before + 10);
  noFaults();
});

it('has lost nothing and agrees on everything at the end', async () => {
  const reports = await Promise.all(writers.map((writer) => writer.stop()));
  const report = await traffic.stop();
  onTestFinished(() => console.log(summary(reports), JSON.stringify({ ...report, faults: report.faults.length })));
  expect(report).toMatchObject({ failed: 0, wrong: 0, faults: [] });
  expect(report.ok).toBeGreaterThan(1_000);

  await Promise.all(cluster.nodes.map((node) => node.waitReady()));
  await cluster.converge();
  for (const node of cluster.nodes) {
    const history = await node.call('GET', `/v1/config/history?consistency=local&limit=${HISTORY_LIMIT}`);
    const revisions = new Map<number, string>(
      history.body.items.map((item: { revision: number; summary: string }) => [item.revision, item.summary]),
    );
    const oldest = Math.min(...revisions.keys());
    for (const [index, { acknowledged: writes, possible }] of reports.entries()) {
      const id = cluster.backends[index]!.id;
      // The history keeps so many changes and no more; the oldest of a long run are gone.
      for (const { revision, weight } of writes.filter((write) => write.revision >= oldest)) {
        expect(revisions.get(revision), `${node.id}: revision ${revision}`).toContain(`api/${id}: weight`);
        expect(revisions.get(revision)).toMatch(new RegExp(`→ ${weight}$`));
      }
      const backend = await node.call('GET', `/v1/pools/api/backends/${id}?consistency=local`);
      expect([...possible], `${node.id}: weight of ${id}`).toContain(backend.body.weight);
    }
  }
  await digestsAgree();
});

/** At every index of which two nodes remember the digest, it is the same. */
async function digestsAgree(): Promise<void> {
  const seen = new Map<number, string>();
  const different: string[] = [];
  let compared = 0;
  for (const node of cluster.nodes) {
    const { body } = await node.call('GET', '/v1/digest?consistency=local');
    for (const { index, digest } of body.recent as { index: number; digest: string }[]) {
      const other = seen.get(index) ?? digest;
      if (seen.has(index)) compared += 1;
      if (other !== digest) different.push(`${node.id} at index ${index}: ${digest}, elsewhere ${other}`);
      seen.set(index, digest);
    }
  }
  expect(different).toEqual([]);
  expect(compared).toBeGreaterThan(0);
}

function summary(reports: readonly WriterReport[]): string {
  const sum = (of: (report: WriterReport) => number): number =>
    reports.reduce((total, report) => total + of(report), 0);
  const sorted = untilNextWriteMs.slice(0, KILLS).sort((a, b) => a - b);
  return (
    `writes: ${sum((report) => report.acknowledged.length)} acknowledged, ${sum((report) => report.refused)} refused, ` +
    `${sum((report) => report.unknown)} unknown; leader killed to next write: median ${Math.round(sorted[KILLS >> 1] ?? 0)} ms, ` +
    `worst ${Math.round(sorted.at(-1) ?? 0)} ms; traffic:`
  );
}
