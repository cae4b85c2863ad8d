/**
 * The affinity table: what a full one costs, and how many new pins a second three nodes commit and see.
 *
 *   ./scripts/with-node node bench/pins.ts [--pins 1000000] [--commits 300000]
 *
 * Printed, as CPU time: microseconds per pin and longest hold of the loop for a table of `--pins`; then new pins per second, proposed at three
 * nodes (one control thread each, real TCP and disks) at once and visible in the shared memory of all three.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { startControl } from '@flotilla/controlplane';
import {
  type Command,
  ClusterStateMachine,
  encodeCommand,
  featureLevel,
  readSessions,
} from '@flotilla/controlplane/state';
import { BACKEND_SLOTS_MAX, encodeKey, newPinKey, PIN_PROPOSAL_WORDS, PinReader } from '@flotilla/shared';
import { createLogger } from '@flotilla/shared/runtime';
import { freePorts, waitFor } from '@flotilla/shared/testing';

const HOUR_MS = 3_600_000;
/** Log time of the first entries. */
const START_MS = 1e12;
/** As a node proposes them. */
const BATCH = 1_024;
/** Pins proposed and not yet visible everywhere. */
const WINDOW = 24_000;
const document = {
  pools: [
    {
      name: 'api',
      affinity: { type: 'header', name: 'x-user', ttlMs: HOUR_MS },
      health: { protocol: 'none' },
      backends: [1, 2, 3].map((at) => ({ id: `b${at}`, address: `10.0.0.${at}:80` })),
    },
  ],
};

interface NodeData {
  readonly id: string;
  readonly api: number;
  readonly raft: number;
  readonly peers: readonly { readonly id: string; readonly host: string; readonly port: number }[];
  readonly dataDir: string;
  readonly port: MessagePort;
}

function line(what: string, value: number, unit: string): void {
  console.log(`${what.padEnd(64)} ${value >= 100 ? Math.round(value) : value.toFixed(2)} ${unit}`);
}

const scratch = newPinKey();
function pinWords(from: number, count: number): Int32Array {
  const words = new Int32Array(count * PIN_PROPOSAL_WORDS);
  for (let at = 0; at < count; at++) {
    encodeKey('api', `user-${from + at}`, scratch);
    words[at * PIN_PROPOSAL_WORDS] = scratch.pool;
    words.set(scratch.words, at * PIN_PROPOSAL_WORDS + 1);
    words[at * PIN_PROPOSAL_WORDS + 5] = (from + at) % 3;
  }
  return words;
}

/** Of this thread: what others do on the same processor does not count. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1e3;
}

/** Calls `step` until it answers false; the longest call in ms of CPU. */
async function longest(step: () => boolean | Promise<boolean>): Promise<number> {
  let max = 0;
  for (;;) {
    const startMs = cpuMs();
    const more = await step();
    max = Math.max(max, cpuMs() - startMs);
    if (!more) return max;
  }
}

/** A state machine with a table of so many pins, and the means to go on writing. */
class FullTable {
  readonly machine = new ClusterStateMachine();
  readonly batches: Int32Array[] = [];
  index = 0;
  readonly #pins: number;

  constructor(pins: number) {
    this.#pins = pins;
    const member = { id: 'n1', replica: 'n1#bench', raft: 'r', api: 'a', version: '0', featureLevel };
    this.apply({ type: 'member.announce', ...member });
    this.apply({ type: 'features.raise', level: featureLevel });
    this.apply({ type: 'config.replace', document });
    for (let from = 0; from < pins; from += BATCH) this.batches.push(pinWords(from, Math.min(BATCH, pins - from)));
  }

  apply(command: object, stampMs = START_MS): void {
    this.index++;
    const data = encodeCommand({ v: 1, ...command } as Command);
    this.machine.apply([
      { index: this.index, term: 1, kind: 0 as const, stampMs, origin: 'n1#bench', seq: this.index, data },
    ]);
  }

  put(batch: number, stampMs = START_MS): void {
    this.apply({ type: 'pins.put', items: this.batches[batch] }, stampMs);
  }

  async fill(): Promise<void> {
    const startMs = cpuMs();
    let turn = 0;
    const apply = await longest(() => {
      this.put(turn++);
      this.machine.digest();
      return turn < this.batches.length;
    });
    const what = `apply, per pin (entries of ${BATCH}, encode + decode + digest)`;
    line(what, ((cpuMs() - startMs) * 1e3) / this.#pins, 'µs');
    line('  longest entry', apply, 'ms');
    const { size, memory } = this.machine.state.pins;
    if (size !== this.#pins) throw new Error(`${size} of ${this.#pins} pins were taken`);
    line('memory of a pin, all told', (memory?.byteLength ?? 0) / this.#pins, 'bytes');
  }

  lookups(): void {
    const reader = new PinReader(this.machine.state.pins.memory ?? new SharedArrayBuffer(64));
    const keys = Array.from({ length: 200_000 }, (_, at) => `user-${(at * 7_919) % this.#pins}`);
    for (let round = 0; round < 3; round++) {
      const startMs = cpuMs();
      let found = 0;
      for (const key of keys) if (reader.get('api', key, START_MS / 1_000) !== null) found++;
      line(`lookup, ${found} of ${keys.length} found`, ((cpuMs() - startMs) * 1e6) / keys.length, 'ns');
    }
  }

  tick(): void {
    const startMs = cpuMs();
    this.apply({ type: 'tick' }, START_MS + 1);
    line('tick with its part of the sweep', cpuMs() - startMs, 'ms');
  }

  /** A snapshot of now, read piece by piece. */
  async snapshot() {
    const startMs = cpuMs();
    const { digest, sizeBytes, chunks: pieces } = this.machine.capture();
    line('snapshot: capture', cpuMs() - startMs, 'ms');
    const iterator = pieces[Symbol.asyncIterator]();
    const chunks: Uint8Array[] = [];
    const slice = await longest(async () => {
      const next = await iterator.next();
      if (next.done !== true) chunks.push(next.value);
      return next.done !== true;
    });
    line(`snapshot: longest slice of ${chunks.length}`, slice, 'ms');
    return { chunks, digest, sizeBytes, index: this.index };
  }

  async snapshotWhileWritten(): Promise<void> {
    const again = this.machine.capture().chunks[Symbol.asyncIterator]();
    let writing = 0;
    const busy = await longest(async () => {
      const next = await again.next();
      if (next.done === true) return false;
      // Refreshed pins: every entry touches cells all over the table.
      const startedMs = cpuMs();
      this.put((this.index * 31) % this.batches.length, START_MS + HOUR_MS / 2);
      writing = Math.max(writing, cpuMs() - startedMs);
      return true;
    });
    line('snapshot: longest slice and entry while it is read', busy, 'ms');
    line('  longest entry', writing, 'ms');
  }
}

/** Into a state machine of its own, which is answered. */
async function restored(snapshot: Awaited<ReturnType<FullTable['snapshot']>>): Promise<ClusterStateMachine> {
  const { chunks, index, digest, sizeBytes } = snapshot;
  const copy = new ClusterStateMachine({ pause: () => new Promise((resolve) => void setImmediate(resolve)) });
  let heldMs = 0;
  let lastMs = cpuMs();
  const clock = (): void => {
    heldMs = Math.max(heldMs, cpuMs() - lastMs);
    lastMs = cpuMs();
    timer = setImmediate(clock);
  };
  let timer = setImmediate(clock);
  const conf = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
  const startMs = cpuMs();
  async function* stream(): AsyncGenerator<Uint8Array> {
    for (const chunk of chunks) yield chunk;
  }
  await copy.restore({ index, term: 1, conf, digest, sizeBytes }, stream());
  clearImmediate(timer);
  line('restore: whole', cpuMs() - startMs, 'ms');
  line('restore: longest hold of the loop', heldMs, 'ms');
  return copy;
}

async function fullTable(pins: number): Promise<void> {
  const table = new FullTable(pins);
  await table.fill();
  table.lookups();
  table.tick();
  const snapshot = await table.snapshot();
  await table.snapshotWhileWritten();
  const copy = await restored(snapshot);
  const reading = readSessions(copy.state, { limit: 1_000, cursor: '' });
  line('list: longest step of a page', await longest(() => reading.next().done !== true), 'ms');
}

async function threeNodes(total: number): Promise<void> {
  // Not before: it brings generators of random text, whose tables would be walked by each collection of garbage above.
  const { TestProxyThread } = await import('@flotilla/controlplane/testing');
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-pins-'));
  const ports = await freePorts(6);
  const peers = [1, 2, 3].map((at) => ({ id: `n${at}`, host: '127.0.0.1', port: ports[at + 2] ?? 0 }));
  const nodes = peers.map(({ id, port: raft }, at) => {
    const thread = new TestProxyThread(0);
    const data: NodeData = {
      id,
      api: ports[at] ?? 0,
      raft,
      peers,
      dataDir: join(directory, id),
      port: thread.controlPort,
    };
    const worker = new Worker(new URL(import.meta.url), { workerData: data, transferList: [thread.controlPort] });
    return { thread, worker };
  });
  const keepAlive = setInterval(() => undefined, 1_000);
  try {
    await waitFor(
      'three nodes with a configuration',
      () => nodes.every(({ thread }) => thread.snapshot?.pools.length === 1),
      {
        timeoutMs: 60_000,
      },
    );
    const visible = (): number =>
      Math.min(...nodes.map(({ thread }) => (thread.pins === null ? 0 : new PinReader(thread.pins).count)));
    let sent = 0;
    const startMs = performance.now();
    let stalledMs = startMs;
    for (let seen = 0; seen < total; ) {
      for (const { thread } of nodes) {
        if (sent >= total || sent - seen > WINDOW) break;
        const count = Math.min(BATCH, total - sent);
        thread.say({ type: 'pin-proposals', words: pinWords(sent, count), skipped: 0 });
        sent += count;
      }
      await new Promise((resolve) => void setTimeout(resolve, 1));
      const now = visible();
      if (now > seen) stalledMs = performance.now();
      // Skipped ones never come: the figure counts what was committed.
      else if (performance.now() - stalledMs > 5_000) break;
      seen = now;
    }
    const committed = visible();
    line(
      `three nodes: ${committed} of ${sent} pins committed and visible`,
      committed / ((stalledMs - startMs) / 1e3),
      '/s',
    );
  } finally {
    for (const { worker } of nodes) worker.postMessage('stop');
    await Promise.all(nodes.map(({ worker }) => new Promise((resolve) => worker.once('exit', resolve))));
    clearInterval(keepAlive);
    for (const { thread } of nodes) thread.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function runNode({ id, api, raft, peers, dataDir, port }: NodeData): Promise<void> {
  const memory = {
    inFlight: new SharedArrayBuffer(BACKEND_SLOTS_MAX * 4),
    connections: new SharedArrayBuffer(4),
  };
  const settings = {
    nodeId: id,
    clusterName: 'bench',
    dataDir,
    apiListen: { host: '127.0.0.1', port: api },
    apiAdvertise: null,
    bindAddress: '127.0.0.1',
    portOffset: 0,
    raftListen: { host: '127.0.0.1', port: raft },
    raftAdvertise: null,
    peers,
    join: null,
    tokens: [],
    raftTls: null,
    apiTls: null,
    clusterSecret: 'bench',
    seedConfig: document,
    version: '0.0.0',
  };
  const log = createLogger({ level: 'warn', nodeId: id, thread: 'control' });
  const control = await startControl(settings, { memory, proxyPorts: [{ threadId: 0, port }] }, log);
  parentPort?.once('message', () => void control.close({ deadlineMs: 2_000 }).finally(() => process.exit()));
}

if (isMainThread) {
  const { values } = parseArgs({
    options: { pins: { type: 'string', default: '1000000' }, commits: { type: 'string', default: '300000' } },
  });
  await fullTable(Number(values.pins));
  await threeNodes(Number(values.commits));
} else {
  await runNode(workerData as NodeData);
}
