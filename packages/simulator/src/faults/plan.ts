/**
 * Everything that a seed decides, as plain data: sizes, timing, network, disks, workload and the schedule of faults. Any
 * class of faults may be off, so that some runs are all crashes and others all membership (swarm testing).
 */
import type { CoreConfig, SnapshotPolicy } from '@flotilla/raft';
import { SimRandom } from '../engine/random.ts';
import type { DiskTiming } from '../environment/disk.ts';
import type { NetworkOptions } from '../environment/network.ts';
import { FAULT_KINDS } from './kinds.ts';
import type { Fault, FaultKind } from './kinds.ts';

export interface WorkloadPlan {
  readonly clients: number;
  readonly thinkMs: number;
  readonly timeoutMs: number;
  readonly padBytes: number;
  /** Of a hundred operations. */
  readonly reads: number;
  readonly counters: number;
  /** Commands for the control plane's state, one at a time; null: none. */
  readonly controlEveryMs: number | null;
}

export interface Plan {
  readonly seed: number;
  /** Chaos for this long; then everything heals. */
  readonly timeMs: number;
  readonly nodeCount: number;
  readonly network: NetworkOptions;
  readonly disk: DiskTiming;
  /** Clocks run at 1 ± this. */
  readonly clockSkewRatio: number;
  /** So many of the machines come with an older release. */
  readonly oldReleaseRatio: number;
  readonly loopLatencyMs: number;
  readonly core: Partial<CoreConfig>;
  readonly snapshots: SnapshotPolicy;
  readonly digestEvery: number;
  readonly workload: WorkloadPlan;
  readonly faults: readonly Fault[];
}

export const DEFAULT_TIME_MS = 30_000;

/** How often each kind is drawn, relative to the others. */
const WEIGHTS: Partial<Record<FaultKind, number>> = {
  crash: 6,
  'reset-link': 3,
  'break-snapshot': 3,
  'partition-isolate': 4,
  'partition-halves': 3,
  transfer: 3,
  diverge: 6,
  promote: 3,
  'add-learner': 2,
  'figure-8': 3,
  'lost-candidacy': 2,
  upgrade: 2,
};

export function planOf(seed: number, timeMs: number = DEFAULT_TIME_MS): Plan {
  const random = new SimRandom(`plan ${seed}`);
  const nodeCount = random.pick([1, 2, 3, 3, 3, 3, 4, 5, 5, 5]);
  const quick = random.chance(0.6);
  const workload = workloadOf(random.fork('workload'));
  return {
    seed,
    timeMs,
    nodeCount,
    network: networkOf(random.fork('network')),
    disk: { syncMinMs: 0.05, syncMeanMs: random.pick([0.2, 1, 5, 20]) },
    clockSkewRatio: random.pick([0, 0.001, 0.05]),
    oldReleaseRatio: random.pick([0, 0, 0.3, 1]),
    loopLatencyMs: random.pick([0, 0.05, 0.05, 2]),
    core: {
      ...(quick ? {} : { heartbeatMs: 50, electionMinMs: 150, electionMaxMs: 300 }),
      ...windowOf(random.fork('window')),
    },
    ...sizesOf(random.fork('sizes'), workload.padBytes > 1000 ? 60 : 5),
    workload,
    faults: scheduleOf(random.fork('faults'), timeMs),
  };
}

function networkOf(random: SimRandom): NetworkOptions {
  const bad = random.chance(0.5);
  return {
    character: random.chance(0.5) ? 'stream' : 'datagram',
    delayMinMs: random.pick([0.05, 0.2, 1]),
    delayMeanMs: random.pick([0.1, 0.5, 3, 15]),
    lossRatio: bad ? random.pick([0.001, 0.02, 0.1]) : 0,
    doubleRatio: bad ? random.pick([0, 0.02, 0.2]) : 0,
    bytesPerMs: random.pick([2000, 10_000, 100_000]),
    silenceMs: random.pick([300, 1000, 2000]),
    reconnectMs: random.pick([5, 50, 300]),
  };
}

/** Small appends and windows, so that a log takes many messages to bring over. */
function windowOf(random: SimRandom): Partial<CoreConfig> {
  return {
    maxAppendBytes: random.pick([300, 2000, 256 * 1024]),
    maxInflightMessages: random.pick([1, 4, 64]),
  };
}

/** `leastEntries`: large states are not written for every few entries. */
function sizesOf(random: SimRandom, leastEntries: number): Pick<Plan, 'snapshots' | 'digestEvery'> {
  const everyEntries = Math.max(leastEntries, random.pick([5, 20, 60, 100_000]));
  return {
    snapshots: {
      everyEntries,
      everyLogBytes: random.pick([leastEntries * 4000, 1_000_000, 64_000_000]),
      trailingEntries: random.pick([0, 1, 5, 30]),
      trailingBytes: 1_000_000,
    },
    digestEvery: random.pick([1, 7, 64]),
  };
}

function workloadOf(random: SimRandom): WorkloadPlan {
  return {
    clients: random.pick([1, 3, 5, 8]),
    thinkMs: random.pick([20, 80, 300]),
    timeoutMs: random.pick([200, 1000, 4000]),
    padBytes: random.pick([0, 0, 0, 500, 20_000]),
    reads: random.pick([10, 35, 60]),
    counters: random.pick([10, 35]),
    controlEveryMs: random.pick([null, 80, 400]),
  };
}

function scheduleOf(random: SimRandom, timeMs: number): Fault[] {
  const kinds = FAULT_KINDS.filter(() => random.chance(0.55));
  if (kinds.length === 0) return [];
  const weighted = kinds.flatMap((kind) => Array.from({ length: WEIGHTS[kind] ?? 1 }, () => kind));
  const everyMs = random.pick([200, 600, 1500, 4000]);
  const longestMs = random.pick([300, 2000, 10_000]);
  const faults: Fault[] = [];
  for (let atMs = random.between(0, 2 * everyMs); atMs < timeMs; atMs += random.exponential(everyMs)) {
    faults.push({
      atMs: Math.round(atMs),
      kind: random.pick(weighted),
      dice: random.uint32(),
      durationMs: Math.round(random.between(1, longestMs)),
    });
  }
  return faults;
}
