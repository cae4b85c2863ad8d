/**
 * The faults that are done to a cluster: each is begun, and undone by what it answers. They overlap in combined runs, so none
 * assumes that the others are not there; what hits processes is told to whoever accounts for requests.
 */
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '@flotilla/shared/testing';
import type { ApiReply } from '../harness/api.ts';
import type { ClusterNode } from '../harness/cluster.ts';
import type { FaultCluster } from '../harness/fault-cluster.ts';
import type { SeededRandom } from '../harness/random.ts';
import type { FaultOn } from './schedule.ts';

const ERRNO_EIO = 5;
const RECOVERY_MS = 60_000;
const SUSPECTED_MS = 2_500;

export interface Stage {
  readonly faulty: FaultCluster;
  readonly random: SeededRandom;
  /** The node's process is about to go; it is back when it is ready again. */
  readonly onDown: (id: string) => void;
  readonly onUp: (id: string) => void;
  /** Kills it, and accounts for what it takes with it. */
  readonly killBackend: (id: string, kill: () => Promise<unknown>) => Promise<void>;
  /** Every node takes it for up again. */
  readonly onBackendUp: (id: string) => void;
}

export type Fault = FaultOn<Stage, ClusterNode>;

const others = (stage: Stage, node: ClusterNode): string[] =>
  stage.faulty.cluster.nodes.filter((other) => other !== node).map(({ id }) => id);

async function restart({ onUp }: Stage, node: ClusterNode): Promise<void> {
  node.process.start();
  await node.waitReady(RECOVERY_MS);
  onUp(node.id);
}

const kill: Fault['begin'] = async (stage, node) => {
  stage.onDown(node.id);
  await node.process.end('SIGKILL');
  return () => restart(stage, node);
};

/** As an operator stops it: it hands over what it leads and finishes what it has begun. */
const stop: Fault['begin'] = async (stage, node) => {
  stage.onDown(node.id);
  await node.process.end('SIGTERM');
  return () => restart(stage, node);
};

const killOthers: Fault['begin'] = async (stage, node) => {
  const rest = stage.faulty.cluster.nodes.filter((other) => other !== node);
  for (const other of rest) stage.onDown(other.id);
  await Promise.all(rest.map((other) => other.process.end('SIGKILL')));
  return async () => {
    await Promise.all(rest.map((other) => restart(stage, other)));
  };
};

const pause: Fault['begin'] = (_stage, node) => {
  node.process.signal('SIGSTOP');
  return Promise.resolve(() => node.process.signal('SIGCONT'));
};

const isolate: Fault['begin'] = (stage, node) => {
  const { network } = stage.faulty;
  const rest = others(stage, node);
  network.partition([node.id], rest);
  return Promise.resolve(() => network.partition([node.id], rest, { kind: 'pass' }));
};

/** In one direction only: of bytes, whoever dialled. */
const oneWay =
  (direction: 'mute' | 'deaf'): Fault['begin'] =>
  (stage, node) => {
    const { network } = stage.faulty;
    const setAll = (kind: 'hold' | 'pass'): void => {
      for (const other of others(stage, node)) {
        if (direction === 'mute') network.set(node.id, other, { kind });
        else network.set(other, node.id, { kind });
      }
    };
    setAll('hold');
    return Promise.resolve(() => setAll('pass'));
  };

const slowLinks: Fault['begin'] = (stage, node) => {
  const { network } = stage.faulty;
  const rest = others(stage, node);
  network.partition([node.id], rest, { kind: 'delay', delayMs: stage.random.integer(20, 150) });
  return Promise.resolve(() => network.partition([node.id], rest, { kind: 'pass' }));
};

const breakLinks: Fault['begin'] = async (stage, node) => {
  for (let round = 0; round < 10; round += 1) {
    for (const other of others(stage, node)) stage.faulty.network.reset(node.id, other);
    await sleep(stage.random.integer(20, 200));
  }
  return () => undefined;
};

const transfer: Fault['begin'] = async (stage, node) => {
  const to = stage.random.pick(others(stage, node));
  // May be refused: in combined runs the target can be down.
  await node.call('POST', '/v1/leader/transfer', { body: { to } }).catch(() => undefined);
  return () => undefined;
};

interface Member {
  readonly id: string;
  readonly voter: boolean;
}

/** The members as the cluster agrees on them, whoever can say. */
async function members({ faulty }: Stage): Promise<readonly Member[]> {
  return waitFor(
    'the list of members',
    async () => {
      const running = faulty.cluster.nodes.filter(({ process }) => process.isRunning);
      const answers = running.map((node) => node.call('GET', '/v1/members', { timeoutMs: 3_000 }));
      const { body } = await Promise.any(answers.map(async (answer) => okOnly(await answer)));
      return body.items as Member[];
    },
    { timeoutMs: RECOVERY_MS, everyMs: 100 },
  );
}

function okOnly(reply: ApiReply): ApiReply {
  if (reply.status !== 200) throw new Error(`status ${reply.status}`);
  return reply;
}

/**
 * False where the removal was refused, as it should be where it would cost the quorum. What was asked for with an unknown
 * outcome may still happen later, so it is asked for again until it has.
 */
function removed({ faulty }: Stage, node: ClusterNode): Promise<boolean> {
  let wasAsked = false;
  const ask = async (): Promise<{ readonly removed: boolean } | null> => {
    const other = faulty.cluster.nodes.find((one) => one !== node && one.process.isRunning);
    const reply = await other?.call('DELETE', `/v1/members/${node.id}`).catch(() => null);
    if (reply?.status === 409 && !wasAsked) return { removed: false };
    wasAsked = true;
    return reply?.status === 404 || (reply?.status ?? 500) < 300 ? { removed: true } : null;
  };
  const options = { timeoutMs: RECOVERY_MS, everyMs: 200 };
  return waitFor(`${node.id} to be removed`, ask, options).then((outcome) => outcome.removed);
}

/** Removed from the group, its disk wiped, joined again as a new replica. */
const replace: Fault['begin'] = async (stage, node) => {
  const { faulty, onDown } = stage;
  // Down from here on: who is no member any more refuses what it is asked.
  onDown(node.id);
  if (!(await removed(stage, node))) {
    stage.onUp(node.id);
    return () => undefined;
  }
  await node.process.end('SIGKILL');
  rmSync(`${faulty.dataOf(node)}/raft`, { recursive: true, force: true });
  faulty.joinThrough(node, stage.random.pick(faulty.cluster.nodes.filter((one) => one !== node)));
  return async () => {
    await restart(stage, node);
    const hasVote = async (): Promise<boolean> =>
      (await members(stage)).some(({ id, voter }) => id === node.id && voter);
    await waitFor(`${node.id} to have its vote again`, hasVote, { timeoutMs: RECOVERY_MS, everyMs: 100 });
  };
};

const stepClock: Fault['begin'] = ({ faulty, random }, node) => {
  const hours = random.pick([-26, -1, 1, 26]);
  faulty.machine.stepClock(node.id, hours * 3_600);
  return Promise.resolve(() => faulty.machine.stepClock(node.id, 0));
};

const slowDisk: Fault['begin'] = ({ faulty, random }, node) => {
  faulty.machine.slowDisk(node.id, random.pick([30, 150, 1_500]));
  return Promise.resolve(() => faulty.machine.slowDisk(node.id, 0));
};

const fillDisk: Fault['begin'] = ({ faulty }, node) => {
  faulty.machine.fillDisk(faulty.dataOf(node));
  return Promise.resolve(() => faulty.machine.freeDisk(faulty.dataOf(node)));
};

/** The node must end by itself: a disk that failed a sync cannot be trusted any more. */
const failDisk: Fault['begin'] = async (stage, node) => {
  stage.onDown(node.id);
  stage.faulty.machine.failDisk(node.id, node.process.pid, 'posix/io/sync/fdatasync', ERRNO_EIO);
  await node.process.waitForEnd();
  return () => restart(stage, node);
};

const killBackend: Fault['begin'] = async (stage) => {
  const { nodes, backends } = stage.faulty.cluster;
  const backend = stage.random.pick(backends.filter(({ process }) => process.isRunning));
  await stage.killBackend(backend.id, () => backend.process.end('SIGKILL'));
  const isUp = async (node: ClusterNode): Promise<boolean> => {
    const { body } = await node.call('GET', '/v1/health?consistency=local', { timeoutMs: 3_000 });
    const items = body.items as { readonly backend: string; readonly verdict: string }[];
    return items.some((item) => item.backend === backend.id && item.verdict === 'up');
  };
  return async () => {
    await backend.start();
    const isUpEverywhere = async (): Promise<boolean> => (await Promise.all(nodes.map(isUp))).every(Boolean);
    await waitFor(`${backend.id} to be up`, isUpEverywhere, { timeoutMs: RECOVERY_MS, everyMs: 50 });
    // A proxy thread that failed to connect a moment ago goes round it for a little longer.
    await sleep(SUSPECTED_MS);
    stage.onBackendUp(backend.id);
  };
};

const hasClocks = ({ faulty }: Stage): boolean => faulty.machine.hasClocks;
const hasSlowDisks = ({ faulty }: Stage): boolean => faulty.machine.hasSlowDisks;
const hasFailingDisks = ({ faulty }: Stage): boolean => faulty.machine.hasFailingDisks;
const hasSmallDisks = ({ faulty }: Stage): boolean => faulty.machine.hasSmallDisks;

const SHORT: readonly [number, number] = [1_000, 3_000];

/** In the order in which the report goes through them. */
export const FAULTS: readonly Fault[] = [
  { name: 'leader killed', on: 'leader', lastsMs: SHORT, begin: kill },
  { name: 'follower killed', on: 'follower', lastsMs: SHORT, begin: kill },
  { name: 'both others killed', on: 'any', lastsMs: [2_000, 4_000], begin: killOthers, alone: true },
  { name: 'leader stopped in order', on: 'leader', lastsMs: SHORT, begin: stop },
  { name: 'leader paused', on: 'leader', lastsMs: SHORT, begin: pause },
  { name: 'follower paused', on: 'follower', lastsMs: SHORT, begin: pause },
  { name: 'leader cut off', on: 'leader', lastsMs: [2_000, 5_000], begin: isolate },
  { name: 'follower cut off', on: 'follower', lastsMs: [2_000, 5_000], begin: isolate },
  { name: 'leader heard by nobody', on: 'leader', lastsMs: [2_000, 5_000], begin: oneWay('mute') },
  { name: 'leader hears nobody', on: 'leader', lastsMs: [2_000, 5_000], begin: oneWay('deaf') },
  { name: 'links slow', on: 'any', lastsMs: [2_000, 4_000], begin: slowLinks },
  { name: 'links break again and again', on: 'any', lastsMs: [0, 500], begin: breakLinks },
  { name: 'leadership handed over', on: 'leader', lastsMs: [200, 800], begin: transfer },
  { name: 'member removed, wiped, joined', on: 'follower', lastsMs: [500, 1_500], begin: replace },
  { name: 'clock steps', on: 'any', lastsMs: [2_000, 4_000], begin: stepClock, possible: hasClocks },
  { name: 'slow disk', on: 'leader', lastsMs: [2_000, 4_000], begin: slowDisk, possible: hasSlowDisks },
  { name: 'disk fails', on: 'any', lastsMs: [500, 1_500], begin: failDisk, possible: hasFailingDisks },
  { name: 'disk full', on: 'leader', lastsMs: [6_000, 8_000], begin: fillDisk, possible: hasSmallDisks },
  { name: 'backend killed', on: 'any', lastsMs: [1_500, 3_000], begin: killBackend },
];
