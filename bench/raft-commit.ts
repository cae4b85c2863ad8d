/**
 * How many small entries three raft nodes commit per second, over loopback TCP with fsync, in this one process.
 *
 *   ./scripts/with-node node bench/raft-commit.ts [--seconds 5] [--callers 2000] [--bytes 32] [--through leader|follower]
 *
 * Each caller proposes, waits for the result of its application at its node, and proposes again. Printed: entries per
 * second, latency percentiles, entries per fsync.
 */
import { parseArgs } from 'node:util';
import { TestCluster } from '@flotilla/raft/testing';
import type { Entry, StateMachine } from '@flotilla/raft';

/** Counts; the cheapest state machine there is, so that the log is what is measured. */
class Counter implements StateMachine {
  #count = 0;

  apply(entries: readonly Entry[]): readonly unknown[] {
    this.#count += entries.length;
    return entries;
  }

  digest(): string {
    return '';
  }

  capture(): { sizeBytes: number; digest: string; chunks: AsyncIterable<Uint8Array> } {
    const bytes = Buffer.from(String(this.#count));
    return { sizeBytes: bytes.length, digest: '', chunks: one(bytes) };
  }

  restore(): Promise<void> {
    return Promise.resolve();
  }
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    callers: { type: 'string', default: '2000' },
    bytes: { type: 'string', default: '32' },
    through: { type: 'string', default: 'leader' },
  },
});

const WARM_UP_MS = 1_500;
const callers = Number(values.callers);
const measureMs = Number(values.seconds) * 1000;
const fsyncs = { count: 0, entries: 0, seconds: 0 };
const dropped = { count: 0 };

const cluster = await TestCluster.start({
  names: ['n1', 'n2', 'n3'],
  machine: () => new Counter(),
  metrics: () => ({
    fsyncSeconds: (seconds) => {
      fsyncs.count++;
      fsyncs.seconds += seconds;
    },
    persistEntries: (count) => {
      fsyncs.entries += count;
    },
    messageDropped: () => {
      dropped.count++;
    },
  }),
});
const leader = await cluster.leader();
const target = values.through === 'follower' ? await cluster.follower() : leader;
const latenciesMs: number[] = [];
const failures = new Map<string, number>();
let measuring = false;
let running = true;

async function caller(): Promise<void> {
  const data = Buffer.alloc(Number(values.bytes), 'x');
  while (running) {
    const startedMs = performance.now();
    try {
      await target.node.propose(data);
      if (measuring) latenciesMs.push(performance.now() - startedMs);
    } catch (error) {
      const code = (error as { code?: string }).code ?? 'unknown';
      failures.set(code, (failures.get(code) ?? 0) + 1);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

const work = Array.from({ length: callers }, caller);
await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
measuring = true;
Object.assign(fsyncs, { count: 0, entries: 0, seconds: 0 });
const cpu = process.cpuUsage();
const startedMs = performance.now();
await new Promise((resolve) => setTimeout(resolve, measureMs));
const elapsedSeconds = (performance.now() - startedMs) / 1000;
const used = process.cpuUsage(cpu);
measuring = false;
const { count, entries, seconds } = { ...fsyncs };
running = false;
await Promise.allSettled(work);

latenciesMs.sort((a, b) => a - b);
const at = (ratio: number): string => (latenciesMs[Math.floor(latenciesMs.length * ratio)] ?? 0).toFixed(1);
const print = (line: string): void => void process.stdout.write(`${line}\n`);
print(`through ${values.through}, ${callers} callers, ${values.bytes} bytes, ${elapsedSeconds.toFixed(1)} s`);
print(`${Math.round(latenciesMs.length / elapsedSeconds)} entries/s committed and applied`);
print(`latency ms: p50 ${at(0.5)}  p99 ${at(0.99)}  p99.9 ${at(0.999)}`);
print(
  `${Math.round(count / elapsedSeconds)} fsyncs/s over three nodes, ${(entries / count).toFixed(0)} entries each, ` +
    `${((seconds / count) * 1000).toFixed(2)} ms each`,
);
print(`CPU: ${((used.user + used.system) / 1e6 / elapsedSeconds).toFixed(2)} cores`);
print(`messages dropped: ${dropped.count}; failures: ${JSON.stringify([...failures])}`);
await cluster.close();
